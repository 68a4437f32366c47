//! Archives as krew takes them: plain files, whose modes it takes too. The same contents give the same bytes.

use std::fs::File;
use std::io::{Seek, Write};
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;
use tar::{EntryType, Header};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipWriter};

use crate::Result;

/// A file of an archive.
pub(super) struct Packed {
    /// Its path, with slashes.
    pub(super) name: String,
    pub(super) content: Vec<u8>,
    pub(super) executable: bool,
}

impl Packed {
    fn mode(&self) -> u32 {
        if self.executable { 0o755 } else { 0o644 }
    }
}

/// Writes files into an archive of the form that its name tells.
pub(super) fn write(path: &Path, files: &[Packed]) -> Result {
    let file = File::create(path).map_err(|error| format!("cannot write {}: {error}", path.display()))?;
    let written = match path.extension() {
        Some(zip) if zip == "zip" => zipped(file, files),
        _ => tarred(file, files),
    };
    written.map_err(|error| format!("cannot write {}: {error}", path.display()).into())
}

fn tarred(to: impl Write, files: &[Packed]) -> Result {
    let mut tar = tar::Builder::new(GzEncoder::new(to, Compression::best()));
    for file in files {
        let mut header = Header::new_gnu();
        header.set_entry_type(EntryType::Regular);
        header.set_size(file.content.len().try_into()?);
        header.set_mode(file.mode());
        header.set_mtime(0);
        header.set_uid(0);
        header.set_gid(0);
        tar.append_data(&mut header, &file.name, file.content.as_slice())?;
    }
    tar.into_inner()?.finish()?.flush()?;
    Ok(())
}

fn zipped(to: impl Write + Seek, files: &[Packed]) -> Result {
    let mut zip = ZipWriter::new(to);
    for file in files {
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Deflated)
            .compression_level(Some(9))
            .last_modified_time(DateTime::default())
            .unix_permissions(file.mode());
        zip.start_file(file.name.as_str(), options)?;
        zip.write_all(&file.content)?;
    }
    zip.finish()?.flush()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::io::Read;
    use std::path::Path;

    use flate2::read::GzDecoder;

    use super::{Packed, write};

    fn files() -> [Packed; 2] {
        [("man/x.1", false), ("x", true)].map(|(name, executable)| Packed {
            name: name.into(),
            content: name.into(),
            executable,
        })
    }

    /// Returns name, mode and content of each file.
    fn read(path: &Path) -> Vec<(String, u32, String)> {
        let mut found = Vec::new();
        let file = File::open(path).unwrap();
        if path.extension().unwrap() == "zip" {
            let mut zip = zip::ZipArchive::new(file).unwrap();
            for at in 0..zip.len() {
                let mut file = zip.by_index(at).unwrap();
                let mut content = String::new();
                file.read_to_string(&mut content).unwrap();
                let name = file.name().unwrap().into_owned();
                found.push((name, file.unix_mode().unwrap() & 0o777, content));
            }
        } else {
            for entry in tar::Archive::new(GzDecoder::new(file)).entries().unwrap() {
                let mut entry = entry.unwrap();
                let header = entry.header().clone();
                // krew takes nothing else.
                assert!(header.entry_type().is_file());
                assert_eq!(
                    (header.mtime().unwrap(), header.uid().unwrap(), header.gid().unwrap()),
                    (0, 0, 0)
                );
                let mut content = String::new();
                entry.read_to_string(&mut content).unwrap();
                let name = entry.path().unwrap().to_str().unwrap().to_string();
                found.push((name, header.mode().unwrap(), content));
            }
        }
        found
    }

    #[test]
    fn what_is_packed_is_read_back_with_its_mode() {
        for name in ["a.tar.gz", "a.zip"] {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join(name);
            write(&path, &files()).unwrap();
            let file = |name: &str, mode| (name.to_string(), mode, name.to_string());
            assert_eq!(read(&path), [file("man/x.1", 0o644), file("x", 0o755)], "{name}");
            let bytes = fs::read(&path).unwrap();
            std::thread::sleep(std::time::Duration::from_millis(2100));
            write(&path, &files()).unwrap();
            assert_eq!(fs::read(&path).unwrap(), bytes, "{name}: the same contents, other bytes");
        }
    }
}
