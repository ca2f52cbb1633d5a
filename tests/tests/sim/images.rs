//! Loading, naming and deleting images.

use std::io::Write;
use std::os::unix::net::UnixStream;

use caisson_tests::digest;
use caisson_tests::images::{ImageFacts, ImageRecipe};
use caisson_tests::sim::{Sim, SimStore, free_port};
use serde_json::{Value, json};

use crate::Bench;
use crate::client::{create, delete, get, post, request};

fn recipe(version: &str) -> ImageRecipe {
    ImageRecipe::new(&format!("example.test/web:{version}"), version).with_padding(70_000, 1)
}

/// The files of a docker-archive of the recipe.
fn docker_archive(recipe: &ImageRecipe) -> (Vec<u8>, ImageFacts) {
    let mut bytes = Vec::new();
    let facts = recipe.write_docker_archive_to(&mut bytes).unwrap();
    (bytes, facts)
}

/// The same image as the tar that updates send: OCI and docker names over plain
/// blobs. `omit` leaves out layers from the bottom. Gives the manifest's digest too.
fn hybrid(recipe: &ImageRecipe, omit: usize) -> (Vec<u8>, ImageFacts, String) {
    let (archive, facts) = docker_archive(recipe);
    let mut layers = Vec::new();
    let mut tar = tar::Archive::new(&archive[..]);
    for entry in tar.entries().unwrap() {
        let mut entry = entry.unwrap();
        if entry.path().unwrap().ends_with("layer.tar") {
            let mut bytes = Vec::new();
            std::io::copy(&mut entry, &mut bytes).unwrap();
            layers.push(bytes);
        }
    }
    let blob = |digest: &str| format!("blobs/sha256/{}", digest::hex_part(digest));
    let descriptor = |digest: &str, size: usize| json!({"digest": digest, "size": size});
    let manifest = json!({
        "schemaVersion": 2,
        "config": descriptor(&facts.config_digest, facts.config.len()),
        "layers": facts.diff_ids.iter().zip(&layers)
            .map(|(digest, layer)| descriptor(digest, layer.len())).collect::<Vec<_>>(),
    })
    .to_string();
    let manifest_digest = digest::of(manifest.as_bytes());
    let name = facts.reference.clone().unwrap();
    let mut index = descriptor(&manifest_digest, manifest.len());
    index["annotations"] = json!({"io.containerd.image.name": name});
    let docker = json!([{"Config": blob(&facts.config_digest), "RepoTags": [name],
        "Layers": facts.diff_ids.iter().map(|digest| blob(digest)).collect::<Vec<_>>()}]);
    let mut files: Vec<(String, Vec<u8>)> = facts
        .diff_ids
        .iter()
        .zip(layers)
        .skip(omit)
        .map(|(digest, layer)| (blob(digest), layer))
        .collect();
    files.push((blob(&facts.config_digest), facts.config.clone()));
    files.push((blob(&manifest_digest), manifest.into_bytes()));
    files.push((
        "index.json".to_owned(),
        json!({"manifests": [index]}).to_string().into_bytes(),
    ));
    files.push((
        "oci-layout".to_owned(),
        b"{\"imageLayoutVersion\":\"1.0.0\"}".to_vec(),
    ));
    files.push(("manifest.json".to_owned(), docker.to_string().into_bytes()));
    (tar_of(&files), facts, manifest_digest)
}

fn tar_of(files: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for (name, content) in files {
        let mut header = tar::Header::new_ustar();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        tar.append_data(&mut header, name, &content[..]).unwrap();
    }
    tar.into_inner().unwrap()
}

/// Sends a body and gives the answer's documents.
fn load(sim: &Sim, body: &[u8]) -> Vec<Value> {
    let answer = request(sim.socket(), "POST", "/v1.41/images/load?quiet=1", body).unwrap();
    assert_eq!(answer.status, 200);
    answer
        .text()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn failed(documents: &[Value]) -> bool {
    documents
        .iter()
        .any(|document| document.get("errorDetail").is_some())
}

/// The id that an update verifies: config digest on one store, manifest digest on
/// the other, from either kind of archive.
#[test]
fn ids_of_both_stores() {
    let (archive, facts) = docker_archive(&recipe("1"));
    let (hybrid, _, manifest) = hybrid(&recipe("1"), 0);
    let classic = Bench::new();
    for body in [&archive, &hybrid] {
        assert!(!failed(&load(&classic.sim, body)));
    }
    let state = classic.sim.state();
    assert_eq!(state.images.len(), 1);
    assert_eq!(state.tags["example.test/web:1"], facts.config_digest);
    assert_eq!(state.images[0].diff_ids, facts.diff_ids);
    let inspected = get(classic.sim.socket(), "/images/example.test/web:1/json").json();
    assert_eq!(inspected["RootFS"]["Layers"], json!(facts.diff_ids));
    assert_eq!(inspected["Config"]["Env"][0], "VERSION=1");

    let containerd = Bench::with_store(SimStore::Containerd);
    let documents = load(&containerd.sim, &hybrid);
    assert_eq!(documents[0]["stream"], "Loaded image: example.test/web:1\n");
    assert_eq!(containerd.sim.state().tags["example.test/web:1"], manifest);
    let by = |id: &str| get(containerd.sim.socket(), &format!("/images/{id}/json")).status;
    assert_eq!((by(&manifest), by(&facts.config_digest)), (200, 404));
}

/// A body that was cut anywhere, or that lies, leaves nothing on the classic store.
#[test]
fn damage_leaves_nothing() {
    let (archive, _) = docker_archive(&recipe("1"));
    let bench = Bench::new();
    for cut in (0..archive.len() - 1_024).step_by(4_000) {
        assert!(failed(&load(&bench.sim, &archive[..cut])), "cut at {cut}");
    }
    let at = archive
        .windows(9)
        .position(|window| window == b"padding/1")
        .unwrap()
        + 4_096;
    let mut flipped = archive.clone();
    flipped[at] ^= 1;
    let documents = load(&bench.sim, &flipped);
    assert!(
        documents[0]["error"]
            .as_str()
            .unwrap()
            .starts_with("invalid diffID for layer 1")
    );
    assert!(bench.sim.state().images.is_empty() && bench.sim.state().tags.is_empty());
}

/// A client that dies in the middle of a body: no answer, no image.
#[test]
fn a_client_that_goes_away() {
    let (archive, _) = docker_archive(&recipe("1"));
    let bench = Bench::new();
    for chunked in [true, false] {
        let mut stream = UnixStream::connect(bench.sim.socket()).unwrap();
        if chunked {
            let head = "POST /images/load HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n";
            // The whole archive, but not the closing chunk.
            write!(stream, "{head}{:x}\r\n", archive.len()).unwrap();
            stream.write_all(&archive).unwrap();
            stream.write_all(b"\r\n").unwrap();
        } else {
            let length = archive.len() + 1;
            write!(
                stream,
                "POST /images/load HTTP/1.1\r\nContent-Length: {length}\r\n\r\n"
            )
            .unwrap();
            stream.write_all(&archive).unwrap();
        }
        drop(stream);
    }
    // The next request waits its turn behind the lock, not behind the dead bodies.
    assert_eq!(get(bench.sim.socket(), "/_ping").status, 200);
    std::thread::sleep(std::time::Duration::from_millis(50));
    assert!(bench.sim.state().images.is_empty());
}

/// Layers that the engine has under the same parent may be left out; others may not.
#[test]
fn layers_left_out() {
    for store in [SimStore::Classic, SimStore::Containerd] {
        let bench = Bench::with_store(store);
        let (thin, _, _) = hybrid(&recipe("2"), 1);
        let documents = load(&bench.sim, &thin);
        match store {
            // Docker's own store refuses; the other names what it can't run.
            SimStore::Classic => assert!(failed(&documents)),
            SimStore::Containerd => {
                assert!(!failed(&documents));
                let last = documents.last().unwrap()["stream"].as_str().unwrap();
                assert!(last.starts_with("Error unpacking image"), "{last}");
                assert!(bench.sim.state().images[0].broken);
                let body = json!({"Image": "example.test/web:2"});
                assert_eq!(
                    post(bench.sim.socket(), "/containers/create", &body).status,
                    500
                );
            }
        }
        load(&bench.sim, &hybrid(&recipe("1"), 0).0);
        assert!(!failed(&load(&bench.sim, &thin)));
        assert!(
            bench.sim.state().images.iter().all(|image| !image.broken),
            "{store:?}"
        );
    }
}

/// A name that moves: the old image stays without a name on the classic store and is
/// gone on the other, unless it has a second name.
#[test]
fn a_name_that_moves() {
    for (store, kept) in [(SimStore::Classic, true), (SimStore::Containerd, false)] {
        for pinned in [false, true] {
            let bench = Bench::with_store(store);
            let old = bench.image("1", &[]);
            if pinned {
                let target = format!("/images/{old}/tag?repo=caisson.local/web&tag=1");
                assert_eq!(post(bench.sim.socket(), &target, &json!({})).status, 201);
            }
            let new = bench.image("1", &[("COLOUR", "red")]);
            let held = get(bench.sim.socket(), &format!("/images/{old}/json")).status;
            assert_eq!(held == 200, kept || pinned, "{store:?} {pinned}");
            assert_eq!(bench.sim.state().tags["example.test/web:1"], new);
        }
    }
}

/// Only tags go while others are left; the last one takes the image along, unless a
/// container needs it.
#[test]
fn deleting() {
    let bench = Bench::new();
    let (sim, socket) = (&bench.sim, bench.sim.socket());
    let id = bench.image("1", &[]);
    post(
        socket,
        "/images/example.test/web:1/tag?repo=caisson.local/web&tag=1-ab",
        &json!({}),
    );
    assert_eq!(delete(socket, &format!("/images/{id}")).status, 409);
    let untagged = delete(socket, "/images/caisson.local/web:1-ab");
    assert_eq!(
        untagged.json(),
        json!([{"Untagged": "caisson.local/web:1-ab"}])
    );
    create(socket, "web", "example.test/web:1", free_port(), "no");
    assert_eq!(delete(socket, "/images/example.test/web:1").status, 409);
    assert_eq!(sim.state().tags.len(), 1);
    delete(socket, "/containers/web");
    let gone = delete(socket, "/images/example.test/web:1");
    assert_eq!(
        gone.json(),
        json!([{"Untagged": "example.test/web:1"}, {"Deleted": id}])
    );
    assert_eq!(delete(socket, "/images/example.test/web:1").status, 404);
}

/// A program that the image doesn't have fails the start with the runtime's words.
#[test]
fn a_program_that_is_not_there() {
    let mut recipe = recipe("1");
    recipe.entrypoint = vec!["/nothing".to_owned()];
    let bench = Bench::new();
    load(&bench.sim, &docker_archive(&recipe).0);
    create(
        bench.sim.socket(),
        "web",
        "example.test/web:1",
        free_port(),
        "no",
    );
    let refused = post(bench.sim.socket(), "/containers/web/start", &json!({}));
    assert_eq!(refused.status, 400);
    assert!(
        refused.text().contains("no such file or directory"),
        "{}",
        refused.text()
    );
}
