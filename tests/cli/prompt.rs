//! Passwords typed at a terminal, which `script` makes.

use std::io::{Read as _, Write as _};
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::program::Place;

#[test]
#[cfg(target_os = "linux")]
fn ctrl_c_at_the_prompt_changes_nothing_and_leaves_the_terminal_as_it_was() {
    let place = Place::new();
    let plain = place.command(&[]);
    let line = format!("'{}' user add ada@example.org; echo status $?; stty -a", env!("CARGO_BIN_EXE_hallpass"));
    let mut script = Command::new("script");
    script.args(["-qec", &line, "/dev/null"]).current_dir(place.path()).env_clear();
    script.envs(plain.get_envs().filter_map(|(name, value)| Some((name, value?)))).stdin(Stdio::piped()).stdout(Stdio::piped());
    let Ok(mut terminal) = script.spawn() else { return eprintln!("left out: script is not here") };
    let (mut keyboard, mut screen) = (terminal.stdin.take().unwrap(), terminal.stdout.take().unwrap());

    let mut seen = Vec::new();
    while !String::from_utf8_lossy(&seen).contains("New password for ada@example.org: ") {
        let mut byte = [0];
        assert_ne!(screen.read(&mut byte).unwrap(), 0, "{}", String::from_utf8_lossy(&seen));
        seen.extend(byte);
    }
    // The prompt is there a moment before the terminal is told not to echo.
    std::thread::sleep(Duration::from_millis(500));
    keyboard.write_all(b"plum kettle\x03").unwrap();
    let mut rest = String::new();
    screen.read_to_string(&mut rest).unwrap();
    terminal.wait().unwrap();
    assert!(rest.contains("hallpass: interrupted: nothing was changed") && rest.contains("status 1"), "{rest}");
    assert!(rest.contains(" echo ") && rest.contains("isig") && !rest.contains("-isig") && !rest.contains("plum"), "{rest}");
    assert_eq!(place.run(&["user", "list", "--json"]).ok().stdout, "");
}
