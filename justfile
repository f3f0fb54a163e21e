# `just` shows this list. Every recipe is one command that also works without just.

_list:
    @just --list --unsorted

# Everything that CI checks (`just test --quick` for the short form)
test *args:
    scripts/test {{args}}

# Cookie mode in a real browser (Debian's Chromium, driven by Playwright)
browser-test:
    scripts/browser-test

# The gateways of deploy/ in front of the service and a guarded one (nginx, Caddy, HAProxy, Envoy)
gateways *args:
    scripts/gateways {{args}}

# The service on loopback with a throw-away key, database and user
dev *args:
    cargo run -- serve --dev {{args}}

# How fast tokens are verified and signed
bench *args:
    cargo bench --all-features {{args}}

# The image, built and checked without a daemon (root, Debian)
image:
    scripts/image

# The pages of the crate, with the architecture as their front
docs:
    cargo doc --no-deps --all-features --open

# Fuzz targets (all, or those named) for so many seconds each; needs a C++ compiler, no nightly
fuzz seconds="60" *targets:
    scripts/fuzz {{seconds}} {{targets}}
