//! Where things are kept that outlast a run.

use std::path::PathBuf;

/// `$XDG_STATE_HOME/domx`, or `~/.local/state/domx`; none where there is no home.
pub fn directory() -> Option<PathBuf> {
    let base = std::env::var_os("XDG_STATE_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    let base = base.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".local/state")))?;
    base.is_absolute().then(|| base.join("domx"))
}
