//! The PostgreSQL server's own processor time. Whoever else uses the server counts too.

use super::process::Stat;
use anyhow::Context;

/// The processes of a server on this machine.
#[derive(Clone, Copy)]
pub(super) struct ServerProcesses {
    postmaster: u32,
}

impl ServerProcesses {
    /// The server that this backend works for, if it runs on this machine and can be seen.
    pub(super) fn behind(backend: u32) -> Option<Self> {
        let stat = Stat::of(backend).ok()?;
        let postmaster = stat.parent;
        let is_postgres = |stat: &Stat| stat.name.starts_with("postgres");
        let both = is_postgres(&stat) && is_postgres(&Stat::of(postmaster).ok()?);
        both.then_some(Self { postmaster })
    }

    /// What all of them have used so far, in microseconds. A child that has ended counts as the
    /// postmaster's.
    pub(super) fn cpu_us(self) -> anyhow::Result<u64> {
        let postmaster = Stat::of(self.postmaster)?;
        let folder = std::fs::read_dir("/proc").context("cannot read /proc")?;
        let pids = folder.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
        // One that ends while we look shows up as the postmaster's next time.
        let children = pids.filter_map(|pid| Stat::of(pid).ok());
        let children = children.filter(|stat| stat.parent == self.postmaster);
        let alive: u64 = children.map(|stat| stat.own_us + stat.children_us).sum();
        Ok(postmaster.own_us + postmaster.children_us + alive)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_programs_are_no_server() {
        assert!(ServerProcesses::behind(std::process::id()).is_none());
        assert!(ServerProcesses::behind(u32::MAX).is_none());
    }

    #[test]
    fn a_server_has_used_what_its_processes_have() {
        let server = ServerProcesses { postmaster: std::process::id() };
        assert!(server.cpu_us().unwrap() >= Stat::of(std::process::id()).unwrap().children_us);
        assert!(ServerProcesses { postmaster: u32::MAX }.cpu_us().is_err());
    }
}
