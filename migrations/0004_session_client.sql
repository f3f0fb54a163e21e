-- Where a login comes from: what its owner needs to recognise it in a list. Portable like 0001, and like it never edited.

-- The address of whoever logged in or last refreshed, as text. NULL: not known, as in the rows from before these columns.
ALTER TABLE session ADD COLUMN ip TEXT;
-- What the program called itself then, cut and without control characters. Shown, never compared: anybody can send anything. NULL: nothing.
ALTER TABLE session ADD COLUMN user_agent TEXT;
