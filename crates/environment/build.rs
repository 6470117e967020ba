//! Lists the files of `runtimes/` for `src/bootstrap.rs` to embed. It leaves out tests and whatever is not source.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../runtimes").canonicalize()?;
    let mut list = String::from("const FILES: &[File] = &[\n");
    for (directory, entry) in [
        ("python", "bootstrap.py"),
        ("node", "bootstrap.cjs"),
        ("ruby", "bootstrap.rb"),
        ("java", "hearth-runtime.jar"),
        ("dotnet", "Hearth.Runtime.dll"),
    ] {
        let top = root.join(directory);
        println!("cargo:rerun-if-changed={}", top.display());
        let mut files = Vec::new();
        walk(&top, &mut files)?;
        files.sort();
        if !files.contains(&top.join(entry)) {
            return Err(io::Error::other(format!("runtimes/{directory}/{entry} is missing")));
        }
        for file in files {
            let path = file.strip_prefix(&top).map_err(io::Error::other)?;
            let line = format!(
                "File {{ directory: {directory:?}, path: {path:?}, contents: include_bytes!({file:?}) }},\n"
            );
            list.write_str(&line).map_err(io::Error::other)?;
        }
    }
    list.push_str("];\n");
    let out = env::var_os("OUT_DIR").ok_or_else(|| io::Error::other("cargo sets OUT_DIR"))?;
    fs::write(Path::new(&out).join("bootstrap_files.rs"), list)
}

fn walk(directory: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or(".");
        if path.is_dir() {
            if !matches!(name, "tests" | "node_modules" | "__pycache__") && !name.starts_with('.') {
                walk(&path, files)?;
            }
        } else if matches!(
            path.extension().and_then(|e| e.to_str()),
            Some("py" | "mjs" | "cjs" | "js" | "json" | "rb" | "jar" | "dll")
        ) {
            files.push(path);
        }
    }
    Ok(())
}
