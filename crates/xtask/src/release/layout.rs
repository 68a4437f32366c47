//! A container image as a folder, as the OCI's image-layout has it: blobs by their sums, and an index over the platforms. The same
//! contents give the same bytes.

use std::fs;
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use tar::{Builder, EntryType, Header};

use crate::Result;
use crate::sums::sum;

const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";

/// What stands in an image, in the order in which it is packed.
pub(super) enum Entry {
    Folder { path: String, mode: u32, owner: u64 },
    File { path: String, mode: u32, content: Vec<u8> },
}

/// The image of a platform.
pub(super) struct Image {
    /// The processor, in Go's words.
    pub(super) arch: &'static str,
    pub(super) entries: Vec<Entry>,
    /// How it runs, as the configuration of an image has it: user, environment, command.
    pub(super) run: Value,
}

/// An image layout under way.
pub(super) struct Layout {
    folder: PathBuf,
}

impl Layout {
    /// Writes images as one of several platforms, named by a tag.
    pub(super) fn write(folder: &Path, images: Vec<Image>, annotations: &Value, tag: &str) -> Result {
        let layout = Layout { folder: folder.to_path_buf() };
        fs::create_dir_all(folder.join("blobs/sha256"))?;
        fs::write(folder.join("oci-layout"), json!({"imageLayoutVersion": "1.0.0"}).to_string())?;
        let manifests: Vec<Value> =
            images.into_iter().map(|image| layout.image(image, annotations)).collect::<Result<_>>()?;
        let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": manifests, "annotations": annotations});
        let mut named = layout.document(INDEX, &index)?;
        named["annotations"] = json!({"org.opencontainers.image.ref.name": tag});
        let top = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": [named]});
        Ok(fs::write(folder.join("index.json"), top.to_string())?)
    }

    fn image(&self, image: Image, annotations: &Value) -> Result<Value> {
        let tar = pack(&image.entries)?;
        let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
        std::io::Write::write_all(&mut gzip, &tar)?;
        let layer = self.blob(LAYER, &gzip.finish()?)?;
        let config = json!({
            "architecture": image.arch,
            "os": "linux",
            "config": image.run,
            "rootfs": {"type": "layers", "diff_ids": [digest(&tar)]},
        });
        let config = self.document(CONFIG, &config)?;
        let manifest = json!({"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": [layer],
            "annotations": annotations});
        let mut manifest = self.document(MANIFEST, &manifest)?;
        manifest["platform"] = json!({"architecture": image.arch, "os": "linux"});
        Ok(manifest)
    }

    fn document(&self, media_type: &str, document: &Value) -> Result<Value> {
        self.blob(media_type, document.to_string().as_bytes())
    }

    /// Keeps something by its sum, and returns what points at it.
    fn blob(&self, media_type: &str, content: &[u8]) -> Result<Value> {
        fs::write(self.folder.join("blobs/sha256").join(sum(content)), content)?;
        Ok(json!({"mediaType": media_type, "digest": digest(content), "size": content.len()}))
    }
}

fn digest(content: &[u8]) -> String {
    format!("sha256:{}", sum(content))
}

fn pack(entries: &[Entry]) -> Result<Vec<u8>> {
    let mut tar = Builder::new(Vec::new());
    for entry in entries {
        let mut header = Header::new_ustar();
        header.set_mtime(0);
        let (path, content) = match entry {
            Entry::Folder { path, mode, owner } => {
                header.set_entry_type(EntryType::Directory);
                header.set_mode(*mode);
                header.set_uid(*owner);
                header.set_gid(*owner);
                (path, &[][..])
            }
            Entry::File { path, mode, content } => {
                header.set_entry_type(EntryType::Regular);
                header.set_mode(*mode);
                header.set_uid(0);
                header.set_gid(0);
                (path, content.as_slice())
            }
        };
        header.set_size(content.len().try_into()?);
        tar.append_data(&mut header, path, content)?;
    }
    Ok(tar.into_inner()?)
}

#[cfg(test)]
mod tests {
    use super::{Entry, Image, Layout};
    use crate::sums::sum;
    use flate2::read::GzDecoder;
    use serde_json::{Value, json};
    use std::fs;
    use std::path::Path;

    fn image(arch: &'static str) -> Image {
        let entries = vec![
            Entry::Folder { path: "tmp/".into(), mode: 0o1777, owner: 7 },
            Entry::File { path: "bin/x".into(), mode: 0o755, content: arch.into() },
        ];
        Image { arch, entries, run: json!({"User": "7:7"}) }
    }

    fn blob(folder: &Path, descriptor: &Value) -> Vec<u8> {
        let sum_of = descriptor["digest"].as_str().unwrap().trim_start_matches("sha256:");
        let content = fs::read(folder.join("blobs/sha256").join(sum_of)).unwrap();
        assert_eq!((sum(&content).as_str(), json!(content.len())), (sum_of, descriptor["size"].clone()));
        content
    }

    fn document(folder: &Path, descriptor: &Value) -> Value {
        serde_json::from_slice(&blob(folder, descriptor)).unwrap()
    }

    #[test]
    fn every_blob_is_what_it_is_called_and_a_platform_holds_its_own_programs() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        Layout::write(folder, vec![image("amd64"), image("arm64")], &json!({"a": "b"}), "v1").unwrap();
        let top: Value = serde_json::from_slice(&fs::read(folder.join("index.json")).unwrap()).unwrap();
        assert_eq!(top["manifests"][0]["annotations"]["org.opencontainers.image.ref.name"], "v1");
        let index = document(folder, &top["manifests"][0]);
        let mut seen = Vec::new();
        for platform in index["manifests"].as_array().unwrap() {
            let manifest = document(folder, platform);
            let config = document(folder, &manifest["config"]);
            assert_eq!(config["architecture"], platform["platform"]["architecture"]);
            assert_eq!(config["config"]["User"], "7:7");
            let mut tar = Vec::new();
            let layer = blob(folder, &manifest["layers"][0]);
            std::io::Read::read_to_end(&mut GzDecoder::new(layer.as_slice()), &mut tar).unwrap();
            assert_eq!(config["rootfs"]["diff_ids"], json!([format!("sha256:{}", sum(&tar))]));
            for entry in tar::Archive::new(tar.as_slice()).entries().unwrap() {
                let mut entry = entry.unwrap();
                let mut content = String::new();
                std::io::Read::read_to_string(&mut entry, &mut content).unwrap();
                let header = entry.header();
                seen.push((header.mode().unwrap(), header.uid().unwrap(), content));
            }
        }
        let file = |arch: &str| (0o755, 0, arch.to_string());
        let tmp = (0o1777, 7, String::new());
        assert_eq!(seen, [tmp.clone(), file("amd64"), tmp, file("arm64")]);
    }

    #[test]
    fn the_same_contents_give_the_same_bytes() {
        let write = || {
            let folder = tempfile::tempdir().unwrap();
            Layout::write(folder.path(), vec![image("amd64")], &json!({}), "v1").unwrap();
            fs::read(folder.path().join("index.json")).unwrap()
        };
        assert_eq!(write(), write());
    }
}
