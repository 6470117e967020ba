//! The pinned botocore: fetched from PyPI with pip, which checks the digest, and read as the zip file it is.

use super::Error;
use super::operations::Botocore;
use crate::process;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Python that prints one service model out of a wheel. Models are gzipped in newer wheels and plain in older ones.
const READ_MODEL: &str = "\
import gzip, sys, zipfile
wheel, path = zipfile.ZipFile(sys.argv[1]), 'botocore/data/%s/service-2.json' % sys.argv[2]
packed = path + '.gz' in wheel.namelist()
text = gzip.decompress(wheel.read(path + '.gz')) if packed else wheel.read(path)
sys.stdout.buffer.write(text)
";

/// The models of one botocore.
pub struct Models {
    wheel: PathBuf,
}

impl Models {
    /// Finds the pinned wheel in `cache`, or fetches it.
    pub fn fetch(cache: &Path, pin: &Botocore) -> Result<Self, Error> {
        std::fs::create_dir_all(cache)
            .map_err(|source| Error::File("make the folder", cache.to_path_buf(), source))?;
        let wheel = cache.join(format!("botocore-{}-py3-none-any.whl", pin.version));
        if !wheel.exists() {
            println!("fetching botocore {} from PyPI", pin.version);
            let requirements = cache.join("requirements.txt");
            let line = format!("botocore=={} --hash=sha256:{}\n", pin.version, pin.sha256);
            std::fs::write(&requirements, line)
                .map_err(|source| Error::File("write", requirements.clone(), source))?;
            let mut pip = Command::new("python3");
            pip.args(["-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]);
            pip.args(["--only-binary", ":all:", "--require-hashes", "--dest"]).arg(cache);
            process::output(pip.arg("--requirement").arg(&requirements))?;
        }
        Ok(Self { wheel })
    }

    /// The JSON of a model, by `<folder>/<date>`.
    pub fn read(&self, model: &str) -> Result<Vec<u8>, Error> {
        Ok(process::output(Command::new("python3").args(["-c", READ_MODEL]).arg(&self.wheel).arg(model))?)
    }
}
