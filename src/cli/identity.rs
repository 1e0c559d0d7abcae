//! What marks a host's containers as its own, so that its next life knows which were left behind.
//!
//! A server's is made of the machine's name, the manifest's path and the address it was told to listen on. The same
//! manifest served again after a `kill -9` has the same and removes what is left; two manifests, or one on two ports,
//! or one path on two machines that share an engine, differ. What makes it safe is that only one process can listen
//! on an address: it is bound before anything is cleaned up. Where that says nothing, with port 0, an id that is
//! given by nobody else is taken: such a server leaves other lives alone, and its own leftovers are nobody's. `[host]
//! id` in the manifest gives one by hand, for those and for machines whose names change.

use crate::invocation::InvocationId;
use sha2::{Digest, Sha256};
use std::net::SocketAddr;
use std::path::Path;

/// The id of a server.
pub(super) fn of_server(given: Option<&str>, manifest: &Path, listen: SocketAddr) -> String {
    match given {
        Some(id) => id.to_owned(),
        None if listen.port() == 0 => of_one_life(),
        None => {
            let manifest = std::fs::canonicalize(manifest).unwrap_or_else(|_| manifest.to_owned());
            digest(&machine(), &manifest, listen)
        }
    }
}

/// An id that nobody else has.
pub(super) fn of_one_life() -> String {
    format!("once-{}", InvocationId::new())
}

fn machine() -> String {
    std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default().trim().to_owned()
}

fn digest(machine: &str, manifest: &Path, listen: SocketAddr) -> String {
    let mut hash = Sha256::new();
    for part in [machine.as_bytes(), manifest.as_os_str().as_encoded_bytes(), listen.to_string().as_bytes()] {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    let digits: String = hash.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    format!("serve-{digits}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    #[test]
    fn the_same_server_has_the_same_id_and_no_other_has() {
        let manifest = Path::new("/srv/kiln.toml");
        let listen = address("127.0.0.1:8080");
        let id = digest("one", manifest, listen);
        assert_eq!(id, digest("one", manifest, listen));
        for other in [
            digest("two", manifest, listen),
            digest("one", Path::new("/srv/other.toml"), listen),
            digest("one", manifest, address("127.0.0.1:8081")),
            digest("one/srv", Path::new("/kiln.toml"), listen),
        ] {
            assert_ne!(id, other);
        }
    }

    #[test]
    fn a_relative_path_and_its_whole_are_one_server() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("kiln.toml");
        std::fs::write(&file, "").unwrap();
        let listen = address("127.0.0.1:8080");
        let roundabout = folder.path().join(".").join("kiln.toml");
        assert_eq!(of_server(None, &file, listen), of_server(None, &roundabout, listen));
    }

    #[test]
    fn a_free_port_is_no_identity_but_a_given_id_is() {
        let (manifest, free) = (Path::new("kiln.toml"), address("127.0.0.1:0"));
        assert_ne!(of_server(None, manifest, free), of_server(None, manifest, free));
        assert_eq!(of_server(Some("edge-1"), manifest, free), "edge-1");
    }
}
