//! Writing the secrets that QEMU reads from files.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;

use qemu_argv::SecretFile;

use crate::report::{Status, Stop};

/// Writes the files, for nobody else to read. They go with the guest's folder.
pub fn write(secrets: &[SecretFile]) -> Result<(), Stop> {
    for secret in secrets {
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&secret.path);
        file.and_then(|mut file| file.write_all(&secret.value)).map_err(|error| {
            Stop::new(Status::Failed, format!("cannot write a secret to `{}`: {error}", secret.path))
        })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt as _;

    use domain_model::Origin;

    use super::*;

    #[test]
    fn nobody_else_reads_a_secret_and_nobody_has_written_it_before() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        let secret = SecretFile {
            path: path.display().to_string(),
            value: b"open sesame".to_vec(),
            origin: Origin::default(),
        };
        write(std::slice::from_ref(&secret)).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"open sesame");
        assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        let refused = write(std::slice::from_ref(&secret)).unwrap_err();
        assert!(refused.message.is_some_and(|message| !message.contains("sesame")));
    }
}
