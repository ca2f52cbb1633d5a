//! Which socket is chosen, and what is refused.
#![expect(clippy::disallowed_methods, reason = "builds folders with sockets")]

use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;

use super::*;

fn socket_in(folder: &Path, name: &str) -> PathBuf {
    let path = folder.join(name);
    std::fs::create_dir_all(path.parent().expect("inside the folder")).expect("a folder");
    UnixListener::bind(&path).expect("a socket");
    path
}

/// Where the refused address was written.
fn origin(error: &SocketError) -> Option<&'static str> {
    match error {
        SocketError::Address { origin, .. } => Some(origin),
        SocketError::NoneFound { .. } => None,
    }
}

/// The person's word counts before the environment's, and both before any guess.
#[test]
fn the_order_of_wishes() {
    let all = Wishes {
        engine: Some("unix:///a/flag.sock"),
        docker_host: Some("unix:///b/env.sock"),
        runtime_dir: None,
    };
    let chosen = choose(all).unwrap();
    assert_eq!(
        (chosen.path.as_path(), chosen.by),
        (Path::new("/a/flag.sock"), ChosenBy::Flag)
    );
    assert_eq!(chosen.to_string(), "/a/flag.sock (--engine)");
    let chosen = choose(Wishes {
        engine: None,
        ..all
    })
    .unwrap();
    assert_eq!(
        (chosen.path.as_path(), chosen.by),
        (Path::new("/b/env.sock"), ChosenBy::DockerHost)
    );
    let plain = choose(Wishes {
        engine: Some("/c/path.sock"),
        ..all
    })
    .unwrap();
    assert_eq!(plain.path, Path::new("/c/path.sock"));
}

/// An engine elsewhere has another file system: lock and sync would hit the wrong machine.
#[test]
fn only_unix_sockets() {
    let long = format!("/{}", "x".repeat(108));
    for address in [
        "tcp://10.0.0.1:2375",
        "ssh://host",
        "http://x",
        "relative.sock",
        "unix://relative",
        "",
        "unix://",
        &long,
    ] {
        let error = choose(Wishes {
            engine: Some(address),
            ..Wishes::default()
        })
        .unwrap_err();
        assert_eq!(origin(&error), Some("--engine"), "{address}: {error:?}");
    }
    let env = Wishes {
        docker_host: Some("tcp://x"),
        ..Wishes::default()
    };
    assert_eq!(origin(&choose(env).unwrap_err()), Some("DOCKER_HOST"));
}

/// The first socket that is there decides, whether or not its engine is up, so that a slow start of one never picks another.
#[test]
fn the_first_socket_present_decides() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("plain-file.sock");
    std::fs::write(&file, "").unwrap();
    let dangling = folder.path().join("dangling.sock");
    std::os::unix::fs::symlink("/nonexistent", &dangling).unwrap();
    let second = socket_in(folder.path(), "podman/podman.sock");
    let link = folder.path().join("link.sock");
    std::os::unix::fs::symlink(&second, &link).unwrap();
    let missing = folder.path().join("missing.sock");
    let chosen = choose_among(&[
        missing.clone(),
        file.clone(),
        dangling.clone(),
        link.clone(),
        second,
    ])
    .unwrap();
    assert_eq!((chosen.path, chosen.by), (link, ChosenBy::Usual));

    let error = choose_among(&[missing, file, dangling]).unwrap_err();
    let SocketError::NoneFound { places } = error else {
        panic!("{error:?}");
    };
    assert!(places[0].ends_with("missing.sock"), "{places:?}");
}

/// A user's own engine is used where the system's may not be.
#[test]
fn a_forbidden_socket_is_passed_over() {
    let folder = tempfile::tempdir().unwrap();
    let forbidden = socket_in(folder.path(), "system.sock");
    let own = socket_in(folder.path(), "own.sock");
    let none = std::fs::Permissions::from_mode(0o000);
    std::fs::set_permissions(&forbidden, none).unwrap();
    let is_root = rustix::process::geteuid().is_root();
    let expected = if is_root { &forbidden } else { &own };
    assert_eq!(
        &choose_among(&[forbidden.clone(), own.clone()])
            .unwrap()
            .path,
        expected
    );
    assert_eq!(
        choose_among(std::slice::from_ref(&forbidden)).unwrap().path,
        forbidden
    );
}

#[test]
fn rootless_places_follow_the_systems() {
    let places = usual_sockets(Some(Path::new("/run/user/1000")));
    assert_eq!(places.first().unwrap(), Path::new("/var/run/docker.sock"));
    assert_eq!(
        places.last().unwrap(),
        Path::new("/run/user/1000/podman/podman.sock")
    );
    assert_eq!(
        usual_sockets(Some(Path::new("relative"))).len(),
        USUAL_SOCKETS.len()
    );
    assert_eq!(usual_sockets(None).len(), USUAL_SOCKETS.len());
}
