//! `hallpass doctor`: looks at everything that a service would start with, and says what to do about what is wrong.
//!
//! It changes nothing: no schema, no key, no row. What cannot be looked at because something before it is broken is left out. This file
//! is the order of the checks; each kind has its own file.

use super::doctor_finding::{Finding, Report};
use super::{Error, SettingsFile, doctor_hashing, doctor_keys, doctor_settings, doctor_store};
use crate::clock::Clock;
use crate::config::{Config, Section};

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example: hallpass doctor --config hallpass.toml

Run it where the service runs: with its settings, as its user, within its limits. It takes a few seconds of one core and changes nothing.
Exit status: 0 when nothing is broken, warnings or not; 1 when something is.")]
pub(super) struct Doctor {
    /// One JSON object a line.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(command: &Doctor, settings: &SettingsFile) -> Result<(), Error> {
    let now = Clock::System.now();
    let mut report = Report::new(command.json);
    let (findings, config, usable) = read(settings);
    report.add(findings);
    let Some(config) = config else { return report.end() };
    let is_usable = |section| usable.contains(&section);
    if is_usable(Section::Keys) {
        report.add(doctor_keys::findings(&config, now));
    }
    if is_usable(Section::Server) {
        report.add(doctor_keys::certificate(&config));
    }
    report.add(doctor_settings::findings(&config, settings.file()));
    if is_usable(Section::Database) {
        report.add(doctor_store::findings(&config)?);
    }
    // A cost out of range could take hours.
    if is_usable(Section::Password) {
        report.add(doctor_hashing::findings(&config)?);
    }
    report.end()
}

/// The settings as far as they can be read, and the sections of them that can be used.
fn read(settings: &SettingsFile) -> (Vec<Finding>, Option<Config>, Vec<Section>) {
    const REMEDY: &str = "change that setting; `hallpass config defaults` has every one with its range and its reason";
    let (mut findings, mut usable) = (Vec::new(), Vec::new());
    for section in Section::ALL {
        match settings.load(&[section], &[]) {
            Ok(_) => usable.push(section),
            Err(error) => {
                let finding = Finding::broken("config", error.to_string(), REMEDY);
                // What cannot be read at all is told for every section alike.
                if !findings.contains(&finding) {
                    findings.push(finding);
                }
            }
        }
    }
    if findings.is_empty() {
        findings.push(Finding::fine("config", "every setting is known and within its range"));
    }
    (findings, settings.load(&[], &[]).ok(), usable)
}
