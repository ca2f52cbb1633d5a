//! A bridge and address ranges that no other engine of this machine uses.
//!
//! The bridge's name is its number, and the kernel refuses a second one of the
//! same name: making it is the lock, also between two checkouts.

use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

/// An engine's own network numbers.
#[derive(Debug, Clone)]
pub(super) struct Bridge {
    /// Of the interface.
    pub(super) name: String,
    slot: u8,
}

impl Bridge {
    /// Makes the first free one, and notes it in `root` for whoever clears up.
    pub(super) fn create(root: &Path, tree: &Path) -> Result<Self> {
        let taken = routes(&fs::read_to_string("/proc/net/route")?);
        for slot in 0..=u8::MAX {
            let bridge = Self {
                name: format!("csn{slot}"),
                slot,
            };
            let clash = |&(network, mask): &(u32, u32)| {
                [30, 31].into_iter().any(|second| {
                    let ours = u32::from(Ipv4Addr::new(172, second, slot, 0));
                    let mask = mask & 0xffff_ff00;
                    ours & mask == network & mask
                })
            };
            if bridge.exists() || taken.iter().any(clash) {
                continue;
            }
            let note = root.join("bridge");
            fs::write(&note, &bridge.name)?;
            match ip(tree, &["link", "add", &bridge.name, "type", "bridge"]) {
                Ok(()) => {
                    ip(
                        tree,
                        &["addr", "add", &bridge.address(), "dev", &bridge.name],
                    )?;
                    ip(tree, &["link", "set", &bridge.name, "up"])?;
                    bridge.ask_soon_again()?;
                    return Ok(bridge);
                }
                // Somebody else was faster: theirs must not be removed as ours.
                Err(_) if bridge.exists() => fs::remove_file(&note)?,
                Err(error) => return Err(error.context("a bridge can't be made here")),
            }
        }
        bail!("all of 172.30.0.0/16 and 172.31.0.0/16 is in use")
    }

    /// Who asks a published port while its container is being started makes the
    /// kernel look for an address that isn't there yet, and look again only a
    /// second later. Every figure of a test would be that second.
    fn ask_soon_again(&self) -> Result<()> {
        let wait = format!("/proc/sys/net/ipv4/neigh/{}/retrans_time_ms", self.name);
        fs::write(&wait, "20").with_context(|| wait)
    }

    fn exists(&self) -> bool {
        Path::new("/sys/class/net").join(&self.name).exists()
    }

    /// The bridge's own address, with its prefix length.
    fn address(&self) -> String {
        format!("172.30.{}.1/24", self.slot)
    }

    /// Where networks made through the API get their ranges from: 16 of /28.
    pub(super) fn pool(&self) -> serde_json::Value {
        serde_json::json!([{ "base": format!("172.31.{}.0/24", self.slot), "size": 28 }])
    }
}

/// Network and mask of every route but the default, from `/proc/net/route`.
fn routes(table: &str) -> Vec<(u32, u32)> {
    let number = |hex: &str| u32::from_str_radix(hex, 16).ok().map(u32::from_be);
    table
        .lines()
        .skip(1)
        .filter_map(|line| {
            let fields: Vec<&str> = line.split_whitespace().collect();
            Some((number(fields.get(1)?)?, number(fields.get(7)?)?))
        })
        .filter(|&(_, mask)| mask != 0)
        .collect()
}

fn ip(tree: &Path, arguments: &[&str]) -> Result<()> {
    let installed = ["/usr/sbin/ip", "/sbin/ip", "/usr/bin/ip", "/bin/ip"]
        .map(PathBuf::from)
        .into_iter()
        .find(|path| path.exists());
    let mut command = if let Some(path) = installed {
        Command::new(path)
    } else {
        let mut busybox = Command::new(tree.join("bin/busybox"));
        busybox.arg("ip");
        busybox
    };
    let output = command.args(arguments).output().context("run `ip`")?;
    ensure!(
        output.status.success(),
        "ip {}: {}",
        arguments.join(" "),
        String::from_utf8_lossy(&output.stderr).trim()
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_route_table_is_read_in_network_order() {
        let table = "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\n\
                     eth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\n\
                     csn7\t00071EAC\t00000000\t0001\t0\t0\t0\t00FFFFFF\n";
        let network = u32::from(Ipv4Addr::new(172, 30, 7, 0));
        assert_eq!(routes(table), [(network, 0xffff_ff00)]);
    }
}
