//! Which disks are elsewhere. SQLite's locks and its shared memory are this machine's own: over a network file system two services would each
//! believe that they are alone with the file.

use std::path::Path;

/// The name of the network file system that a file lies on, if it is one that is known for it. Only Linux is asked.
#[cfg(target_os = "linux")]
pub(super) fn kind_of(file: &Path) -> Option<&'static str> {
    // What cannot be asked shows when the file is opened.
    let disk = rustix::fs::statfs(file).ok()?;
    // The numbers have 32 bits, whatever the kernel's word has.
    named(disk.f_type as u32)
}

#[cfg(not(target_os = "linux"))]
pub(super) fn kind_of(_: &Path) -> Option<&'static str> {
    None
}

/// By the number that statfs(2) gives. FUSE and 9P are not here: most of what comes by them is on this machine.
#[cfg(target_os = "linux")]
fn named(kind: u32) -> Option<&'static str> {
    match kind {
        0x6969 => Some("NFS"),
        0x517B | 0xFE53_4D42 | 0xFF53_4D42 => Some("SMB"),
        0x5346_414F => Some("AFS"),
        0x00C3_6400 => Some("Ceph"),
        0x0BD0_0BD0 => Some("Lustre"),
        _ => None,
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn n18_disks_of_other_machines_are_known_by_their_number_and_this_one_s_are_none() {
        // ext4, tmpfs, overlayfs, FUSE.
        for local in [0xEF53, 0x0102_1994, 0x794C_7630, 0x6573_5546] {
            assert_eq!(named(local), None);
        }
        assert_eq!((named(0x6969), named(0xFF53_4D42)), (Some("NFS"), Some("SMB")));
        for path in ["/proc/self/exe", "/dev/shm", "/nowhere/at/all"] {
            assert_eq!(kind_of(Path::new(path)), None, "{path}");
        }
    }
}
