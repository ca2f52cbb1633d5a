//! One long script of requests, as an update and its tests make them.

use caisson_tests::engines::EngineApi;
use caisson_tests::engines::api::{Answer, Body};
use caisson_tests::images::ImageRecipe;
use serde_json::{Value, json};

use crate::normal::Words;

/// What was asked and what came back, made comparable.
#[derive(Debug)]
pub(crate) struct Step {
    pub(crate) call: String,
    pub(crate) status: u16,
    pub(crate) body: Value,
}

struct Script<'a> {
    api: &'a EngineApi,
    words: Words,
    steps: Vec<Step>,
}

impl Script<'_> {
    fn note(&mut self, call: String, answer: &Answer) -> Value {
        let text = answer.text();
        let json = answer.json().unwrap_or_else(|_| Value::String(text));
        let body = self.words.normal(&json);
        self.steps.push(Step {
            call,
            status: answer.status,
            body,
        });
        json
    }

    fn ask(&mut self, method: &str, path: &str, body: Option<&Value>) -> Value {
        let sent = body.map_or(Body::None, Body::Json);
        let answer = self.api.request(method, path, sent).expect("an answer");
        let number = self.steps.len() + 1;
        self.note(format!("{number} {method} {path}"), &answer)
    }

    fn get(&mut self, path: &str) -> Value {
        self.ask("GET", path, None)
    }

    fn post(&mut self, path: &str, body: &Value) -> Value {
        self.ask("POST", path, Some(body))
    }

    fn plain(&mut self, path: &str) -> Value {
        self.ask("POST", path, None)
    }

    fn delete(&mut self, path: &str) -> Value {
        self.ask("DELETE", path, None)
    }

    fn create(&mut self, name: &str, body: &Value) {
        // The id is learned before the answer is noted.
        let path = format!("/v1.41/containers/create?name={name}");
        let answer = self
            .api
            .request("POST", &path, Body::Json(body))
            .expect("an answer");
        if let Some(id) = answer
            .json()
            .ok()
            .as_ref()
            .and_then(|json| json["Id"].as_str())
        {
            self.words.learn(id, &format!("<{name}>"));
            self.words.learn(&id[..12], &format!("<{name} short>"));
        }
        let number = self.steps.len() + 1;
        self.note(format!("{number} POST {path}"), &answer);
    }

    fn load(&mut self, recipe: &ImageRecipe, word: &str) {
        let mut archive = Vec::new();
        let facts = recipe
            .write_docker_archive_to(&mut archive)
            .expect("an archive");
        self.words.learn(&facts.config_digest, &format!("<{word}>"));
        self.load_bytes(&archive);
    }

    fn load_bytes(&mut self, archive: &[u8]) {
        let body = Body::Tar(&mut &*archive);
        let answer = self
            .api
            .request("POST", "/v1.41/images/load?quiet=1", body)
            .expect("an answer");
        let documents: Vec<Value> = answer
            .text()
            .lines()
            .filter_map(|line| serde_json::from_str(line).ok())
            .collect();
        let number = self.steps.len() + 1;
        let joined = Answer {
            status: answer.status,
            body: json!(documents).to_string().into_bytes(),
        };
        self.note(format!("{number} POST /images/load"), &joined);
    }
}

/// Runs it on an engine that holds nothing.
pub(crate) fn run(api: &EngineApi, port: u16) -> Vec<Step> {
    let mut script = Script {
        api,
        words: Words::default(),
        steps: Vec::new(),
    };
    let info = api.get_json("/info").expect("info");
    script
        .words
        .learn(info["DockerRootDir"].as_str().expect("a data root"), "ROOT");
    images(&mut script);
    creation(&mut script, port);
    swap(&mut script, port);
    refusals(&mut script);
    networks(&mut script);
    removal(&mut script);
    script.steps
}

fn recipe(version: &str) -> ImageRecipe {
    let mut recipe = ImageRecipe::new(&format!("example.test/web:{version}"), version)
        .runnable()
        .with_env("COLOUR", "red");
    recipe.labels.insert("from".to_owned(), "image".to_owned());
    recipe.volumes.push("/data".to_owned());
    recipe
}

fn images(script: &mut Script<'_>) {
    script.load(&recipe("1"), "image 1");
    script.load(&recipe("1"), "image 1");
    script.load(&recipe("2").with_padding(9_000, 3), "image 2");
    script.get("/v1.41/images/example.test/web:1/json");
    script.get("/v1.41/images/json");
    script.get("/v1.41/images/nothing:1/json");
    script.plain("/v1.41/images/example.test/web:1/tag?repo=caisson.local/web&tag=1-ab");
    script.plain("/v1.41/images/nothing:1/tag?repo=a&tag=b");
    script.plain("/v1.41/images/example.test/web:1/tag?repo=Bad&tag=b");
    script.get("/v1.41/images/caisson.local/web:1-ab/json");
    script.delete("/v1.41/images/caisson.local/web:1-ab");
    script.delete("/v1.41/images/nothing:1");
    // A name that moves, on an image that nothing else names.
    let mut moved = recipe("1");
    moved.labels.insert("moved".to_owned(), "yes".to_owned());
    moved.reference = Some("example.test/web:2".to_owned());
    script.load(&moved, "image moved");
    script.get("/v1.41/images/json");
    script.load(&recipe("2").with_padding(9_000, 3), "image 2");
    // Damage.
    let mut archive = Vec::new();
    recipe("3")
        .with_padding(9_000, 4)
        .write_docker_archive_to(&mut archive)
        .expect("an archive");
    let at = archive
        .windows(9)
        .position(|window| window == b"padding/1")
        .expect("padding");
    archive[at + 4_096] ^= 1;
    script.load_bytes(&archive);
    script.get("/v1.41/images/example.test/web:3/json");
}

fn creation(script: &mut Script<'_>, port: u16) {
    let full = json!({
        "Image": "example.test/web:1",
        "Env": ["COLOUR=blue", "OWN=1"],
        "Labels": {"mine": "yes"},
        "Cmd": ["EXIT_CODE=3"],
        "StopTimeout": 4,
        "Healthcheck": {"Test": ["CMD", "/service", "healthcheck"], "Interval": 300_000_000,
            "Timeout": 2_000_000_000, "Retries": 2},
        "HostConfig": {
            "Binds": ["named:/state", "/usr:/host:ro"],
            "PortBindings": {"8080/tcp": [{"HostIp": "127.0.0.1", "HostPort": port.to_string()}]},
            "RestartPolicy": {"Name": "unless-stopped"},
            "Memory": 67_108_864,
        },
    });
    script.create("web", &full);
    script.get("/v1.41/containers/web/json");
    script.get("/v1.41/containers/json?all=1");
    script.plain("/v1.41/containers/web/start");
    script.plain("/v1.41/containers/web/start");
    wait_for(script.api, "web", |state| {
        state["Health"]["Status"] == "healthy"
    });
    running(script, "web");
    script.plain("/v1.41/containers/web/pause");
    running(script, "web");
    script.plain("/v1.41/containers/web/unpause");
    wait_for(script.api, "web", |state| {
        state["Health"]["Status"] == "healthy"
    });
    script.create("plain", &json!({"Image": "example.test/web:2"}));
    script.get("/v1.41/containers/plain/json");
    script.plain("/v1.41/containers/plain/start");
    running(script, "plain");
    script.plain("/v1.41/containers/plain/pause");
    running(script, "plain");
    script.plain("/v1.41/containers/plain/pause");
    script.plain("/v1.41/containers/plain/start");
    script.delete("/v1.41/containers/plain");
    script.plain("/v1.41/containers/plain/unpause");
    script.plain("/v1.41/containers/plain/unpause");
    script.delete("/v1.41/containers/plain");
    script.plain("/v1.41/containers/plain/kill");
    script.plain("/v1.41/containers/plain/kill");
    script.delete("/v1.41/containers/plain?v=1");
}

/// The inspection without what ticks.
fn running(script: &mut Script<'_>, name: &str) {
    let answer = script
        .api
        .get(&format!("/v1.41/containers/{name}/json"))
        .expect("an answer");
    let mut json = answer.json().expect("JSON");
    if let Some(health) = json["State"].get_mut("Health") {
        let newest = health["Log"].as_array_mut().and_then(Vec::pop);
        health["Log"] = newest.unwrap_or(Value::Null);
    }
    let number = script.steps.len() + 1;
    let answer = Answer {
        status: answer.status,
        body: json.to_string().into_bytes(),
    };
    script.note(format!("{number} GET {name}, running"), &answer);
}

fn wait_for(api: &EngineApi, name: &str, wanted: impl Fn(&Value) -> bool) {
    let started = std::time::Instant::now();
    while started.elapsed().as_secs() < 20 {
        let web = api
            .get_json(&format!("/containers/{name}/json"))
            .expect("inspect");
        if wanted(&web["State"]) {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    panic!("{name} never got there");
}

fn swap(script: &mut Script<'_>, port: u16) {
    let candidate = json!({
        "Image": "example.test/web:2",
        "HostConfig": {
            "PortBindings": {"8080/tcp": [{"HostIp": "127.0.0.1", "HostPort": port.to_string()}]},
            "RestartPolicy": {"Name": "no"},
        },
    });
    script.create("web.new", &candidate);
    script.plain("/v1.41/containers/web.new/start");
    script.get("/v1.41/containers/web.new/json");
    script.post(
        "/v1.41/containers/web/update",
        &json!({"RestartPolicy": {"Name": "always"}}),
    );
    script.plain("/v1.41/containers/web/stop?t=4");
    script.plain("/v1.41/containers/web/stop?t=4");
    running(script, "web");
    script.plain("/v1.41/containers/web/rename?name=web.old");
    script.plain("/v1.41/containers/web.new/rename?name=web.old");
    script.plain("/v1.41/containers/web.new/rename?name=web.new");
    script.plain("/v1.41/containers/web.new/rename?name=we%20b");
    script.plain("/v1.41/containers/web.new/rename?name=");
    script.plain("/v1.41/containers/web.new/rename?name=web");
    script.plain("/v1.41/containers/web/start");
    running(script, "web");
    script.post(
        "/v1.41/containers/web/update",
        &json!({"RestartPolicy": {"Name": "maybe"}}),
    );
    script.post(
        "/v1.41/containers/web/update",
        &json!({"RestartPolicy": {"Name": "always", "MaximumRetryCount": 3}}),
    );
    script.delete("/v1.41/images/example.test/web:1");
    script.get("/v1.41/containers/web/logs");
}

fn refusals(script: &mut Script<'_>) {
    let image = json!({"Image": "example.test/web:1"});
    script.create("web", &image);
    script.create("a%20b", &image);
    script.create("x1", &json!({"Image": "nothing:1"}));
    script.create(
        "x2",
        &json!({"Image": "example.test/web:1",
        "HostConfig": {"AutoRemove": true, "RestartPolicy": {"Name": "always"}}}),
    );
    script.create(
        "x3",
        &json!({"Image": "example.test/web:1",
        "HostConfig": {"RestartPolicy": {"Name": "maybe"}}}),
    );
    script.create(
        "x4",
        &json!({"Image": "example.test/web:1", "Entrypoint": ["/nothing"]}),
    );
    script.plain("/v1.41/containers/x4/start");
    script.get("/v1.41/containers/x4/json");
    script.create(
        "x5",
        &json!({"Image": "example.test/web:1",
        "HostConfig": {"Binds": ["no-path"]}}),
    );
    script.plain("/v1.41/containers/nothing/start");
    script.plain("/v1.41/containers/nothing/stop");
    script.plain("/v1.41/containers/nothing/rename?name=x");
    script.post(
        "/v1.41/containers/nothing/update",
        &json!({"RestartPolicy": {"Name": "no"}}),
    );
    script.delete("/v1.41/containers/nothing");
    script.get("/v1.41/containers/nothing/json");
    script.get("/v1.99/containers/json");
    script.get("/v1.11/containers/json");
    script.get("/nothing");
}

fn networks(script: &mut Script<'_>) {
    let made = script.post("/v1.41/networks/create", &json!({"Name": "side"}));
    script
        .words
        .learn(made["Id"].as_str().expect("an id"), "<side>");
    script.post(
        "/v1.41/networks/create",
        &json!({"Name": "side", "CheckDuplicate": true}),
    );
    script.create(
        "two",
        &json!({"Image": "example.test/web:1", "NetworkingConfig":
        {"EndpointsConfig": {"bridge": {}, "side": {}}}}),
    );
    script.create(
        "wired",
        &json!({"Image": "example.test/web:1",
        "HostConfig": {"NetworkMode": "side"},
        "NetworkingConfig": {"EndpointsConfig": {"side": {"Aliases": ["w"]}}}}),
    );
    let connect = json!({"Container": "wired", "EndpointConfig": {"Aliases": ["x"]}});
    script.post(
        "/v1.41/networks/bridge/connect",
        &json!({"Container": "wired"}),
    );
    script.post("/v1.41/networks/side/connect", &connect);
    script.post(
        "/v1.41/networks/side/connect",
        &json!({"Container": "nothing"}),
    );
    script.create("lost", &json!({"Image": "example.test/web:1"}));
    script.post(
        "/v1.41/networks/nothing/connect",
        &json!({"Container": "lost"}),
    );
    script.get("/v1.41/containers/lost/json");
    script.plain("/v1.41/containers/lost/start");
    script.get("/v1.41/containers/lost/json");
    script.delete("/v1.41/containers/lost?v=1");
    script.get("/v1.41/containers/wired/json");
    script.plain("/v1.41/containers/wired/start");
    running(script, "wired");
    script.post("/v1.41/networks/side/connect", &connect);
    script.post("/v1.41/networks/nothing/connect", &connect);
    script.delete("/v1.41/networks/side");
    script.plain("/v1.41/containers/wired/stop?t=1");
    script.get("/v1.41/containers/wired/json");
    script.delete("/v1.41/containers/wired?force=1&v=1");
    script.delete("/v1.41/networks/side");
    script.delete("/v1.41/networks/side");
    script.delete("/v1.41/networks/bridge");
}

fn removal(script: &mut Script<'_>) {
    script.delete("/v1.41/containers/web");
    for name in ["web", "web.old", "x4"] {
        script.delete(&format!("/v1.41/containers/{name}?force=1&v=1"));
    }
    script.get("/v1.41/containers/json?all=1");
    script.get("/v1.41/volumes");
    script.delete("/v1.41/volumes/named");
    script.delete("/v1.41/images/example.test/web:1");
    script.get("/v1.41/images/json");
}
