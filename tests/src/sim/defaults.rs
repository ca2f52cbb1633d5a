//! What the engine fills in where a create request is silent, as Docker 20.10
//! shows it in inspect.

use serde_json::{Value, json};

/// `Config` of a request that says nothing.
pub(super) fn config(hostname: &str) -> Value {
    json!({
        "Hostname": hostname,
        "Domainname": "",
        "User": "",
        "AttachStdin": false,
        "AttachStdout": false,
        "AttachStderr": false,
        "ExposedPorts": null,
        "Tty": false,
        "OpenStdin": false,
        "StdinOnce": false,
        "Env": null,
        "Cmd": null,
        "Healthcheck": null,
        "Image": "",
        "Volumes": null,
        "WorkingDir": "",
        "Entrypoint": null,
        "OnBuild": null,
        "Labels": {},
        "StopSignal": null,
    })
}

/// The `Config` of an image as Docker's own store shows it.
pub(super) fn image_config(given: &Value) -> Value {
    let mut shown = config("");
    // An image's is shorter: what it doesn't say about these isn't there.
    for key in ["ExposedPorts", "Healthcheck", "StopSignal"] {
        shown
            .as_object_mut()
            .and_then(|shown| shown.shift_remove(key));
    }
    shown["Labels"] = Value::Null;
    for (key, value) in given.as_object().into_iter().flatten() {
        shown[key] = value.clone();
    }
    shown
}

/// `HostConfig`: the engine's values with the request's over them.
pub(super) fn host_config(asked: &Value) -> Value {
    let mut config = silent_host_config();
    if asked.is_object() {
        // Without a word about the host, this is filled in by the first start only.
        config["Runtime"] = json!("runc");
    }
    for (key, value) in asked.as_object().into_iter().flatten() {
        if !value.is_null() {
            config[key] = value.clone();
        }
    }
    if config["NetworkMode"] == "" {
        config["NetworkMode"] = json!("default");
    }
    // Without a word about swap, a container gets as much of it as memory.
    if let (Some(memory @ 1..), Some(0)) =
        (config["Memory"].as_u64(), config["MemorySwap"].as_u64())
    {
        config["MemorySwap"] = json!(memory * 2);
    }
    config
}

fn silent_host_config() -> Value {
    json!({
        "Binds": null,
        "ContainerIDFile": "",
        "LogConfig": {"Type": "json-file", "Config": {}},
        "NetworkMode": "default",
        "PortBindings": null,
        "RestartPolicy": {"Name": "", "MaximumRetryCount": 0},
        "AutoRemove": false,
        "VolumeDriver": "",
        "VolumesFrom": null,
        "CapAdd": null,
        "CapDrop": null,
        "CgroupnsMode": "host",
        "Dns": null,
        "DnsOptions": null,
        "DnsSearch": null,
        "ExtraHosts": null,
        "GroupAdd": null,
        "IpcMode": "private",
        "Cgroup": "",
        "Links": null,
        "OomScoreAdj": 0,
        "PidMode": "",
        "Privileged": false,
        "PublishAllPorts": false,
        "ReadonlyRootfs": false,
        "SecurityOpt": null,
        "UTSMode": "",
        "UsernsMode": "",
        "ShmSize": 67_108_864,
        "ConsoleSize": [0, 0],
        "Isolation": "",
        "CpuShares": 0,
        "Memory": 0,
        "NanoCpus": 0,
        "CgroupParent": "",
        "BlkioWeight": 0,
        "BlkioWeightDevice": null,
        "BlkioDeviceReadBps": null,
        "BlkioDeviceWriteBps": null,
        "BlkioDeviceReadIOps": null,
        "BlkioDeviceWriteIOps": null,
        "CpuPeriod": 0,
        "CpuQuota": 0,
        "CpuRealtimePeriod": 0,
        "CpuRealtimeRuntime": 0,
        "CpusetCpus": "",
        "CpusetMems": "",
        "Devices": null,
        "DeviceCgroupRules": null,
        "DeviceRequests": null,
        "KernelMemory": 0,
        "KernelMemoryTCP": 0,
        "MemoryReservation": 0,
        "MemorySwap": 0,
        "MemorySwappiness": null,
        "OomKillDisable": false,
        "PidsLimit": null,
        "Ulimits": null,
        "CpuCount": 0,
        "CpuPercent": 0,
        "IOMaximumIOps": 0,
        "IOMaximumBandwidth": 0,
        "MaskedPaths": ["/proc/asound", "/proc/acpi", "/proc/kcore", "/proc/keys",
            "/proc/latency_stats", "/proc/timer_list", "/proc/timer_stats", "/proc/sched_debug",
            "/proc/scsi", "/sys/firmware"],
        "ReadonlyPaths": ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"],
    })
}
