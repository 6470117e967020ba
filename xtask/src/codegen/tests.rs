//! What the generator makes of a small model that has every oddity in it.

use super::graph::Scope;
use super::model::Model;
use super::operations::ServiceEntry;
use super::{constants, overlay, types};

const MODEL: &str = r##"{
  "metadata": {"apiVersion": "2026-01-01", "endpointPrefix": "things", "protocol": "rest-json", "serviceId": "Things",
    "jsonVersion": "1.1", "protocols": ["rest-json", "json"]},
  "operations": {
    "PutThing": {"name": "PutThing", "http": {"method": "PUT", "requestUri": "/things/{Id}", "responseCode": 201},
      "input": {"shape": "PutThingRequest"}, "errors": [{"shape": "Busy"}, {"shape": "ThingFault"}]},
    "Ping": {"name": "Ping", "http": {"method": "POST", "requestUri": "/"}},
    "WatchThing": {"name": "WatchThing", "http": {"method": "GET", "requestUri": "/watch"},
      "output": {"shape": "Watched"}},
    "GetThing": {"name": "GetThing", "http": {"method": "GET", "requestUri": "/things/{Id}"},
      "output": {"shape": "Unreached"}}
  },
  "shapes": {
    "PutThingRequest": {"type": "structure", "required": ["Id"], "members": {
      "Id": {"shape": "Id", "location": "uri", "locationName": "id"},
      "Identity": {"shape": "Id", "locationName": "id"},
      "Tree": {"shape": "Tree"}, "Kind": {"shape": "Kind"}, "Body": {"shape": "Bytes", "streaming": true}},
      "payload": "Body"},
    "Tree": {"type": "structure", "union": true, "members": {
      "Left": {"shape": "Tree"}, "Leaves": {"shape": "Trees"}, "Named": {"shape": "NamedTrees"}}},
    "Trees": {"type": "list", "member": {"shape": "Tree", "locationName": "tree"}},
    "NamedTrees": {"type": "map", "key": {"shape": "Id"}, "value": {"shape": "Tree"}},
    "Id": {"type": "string", "min": 1, "max": 9, "pattern": "[\"#a-z]+"},
    "Kind": {"type": "string", "enum": ["a.1", "A_1"]},
    "Bytes": {"type": "blob", "sensitive": true},
    "Why": {"type": "string", "enum": ["load"]},
    "Text": {"type": "string"},
    "Busy": {"type": "structure", "exception": true, "error": {"httpStatusCode": 429, "senderFault": true},
      "members": {"message": {"shape": "Text"}, "Reason": {"shape": "Why"}}},
    "ThingFault": {"type": "structure", "exception": true, "fault": true, "members": {"Message": {"shape": "Text"}}},
    "Watched": {"type": "structure", "members": {"Changes": {"shape": "Change"}}, "payload": "Changes"},
    "Change": {"type": "structure", "eventstream": true, "members": {"Part": {"shape": "Part"}}},
    "Part": {"type": "structure", "event": true, "members": {"Data": {"shape": "Bytes", "eventpayload": true}}},
    "Unreached": {"type": "structure", "members": {}}
  }
}"##;

fn entry(extra: &str) -> ServiceEntry {
    let text = format!(
        "model = 'things/1'\nvalidation_code = 'Invalid'\noperations = ['PutThing', 'Ping', 'WatchThing']\n{extra}"
    );
    toml::from_str(&text).unwrap()
}

/// Everything that is generated of the model, its white space made single spaces.
fn generated(entry: &ServiceEntry) -> Result<String, String> {
    let mut model = Model::parse(MODEL.as_bytes()).unwrap();
    overlay::lay(entry, &mut model)?;
    let scope = Scope::of(&model, &entry.operations)?;
    let parts = [
        types::traits("things", entry, &model)?,
        types::types(&model, &scope)?,
        types::errors(&model, &scope)?,
        constants::service("things", entry, &model)?,
        constants::shapes(&model, &scope)?,
    ];
    Ok(parts.join(" ").split_whitespace().collect::<Vec<_>>().join(" "))
}

#[test]
fn the_oddities_of_a_model_come_out_right() {
    let text = generated(&entry("")).unwrap();
    for part in [
        // An operation without input takes a grant alone, and one without output gives nothing.
        "fn ping<'a>(&'a self, grant: crate::Grant) -> hearth_base::BoxFuture<'a, Result<(), hearth_wire::Failure>>;",
        "0 => crate::slots::answer_nothing(self.things.ping(grant)),",
        "1 => crate::slots::answer_nothing(self.things.put_thing(grant, crate::slots::request(input))),",
        // What would hold itself is boxed; lists and maps hold their items apart already.
        "structure!(Tree { left: Box<Tree>, leaves: Vec<Tree>, named: BTreeMap<String, Tree>, });",
        // The events of a stream come one by one, each a structure of its own type.
        "structure!(Watched { changes: hearth_wire::Events, });",
        "structure!(Change { part: Part, });",
        "event_stream: true,",
        "event: EventRole::Payload,",
        "enumeration!(Kind { A1 = \"a.1\", A1_2 = \"A_1\", });",
        "busy => Busy,",
        "thing => ThingFault,",
        "crate::fault::error_structures! { Busy, }",
        "protocols: &[Protocol::RestJson1, Protocol::AwsJson1_1]",
        "status: 201,",
        "Unimplemented { name: \"GetThing\", method: \"GET\", uri: \"/things/{Id}\" },",
        // Of two members of one name, the one in the body is found by it.
        "by_wire_name: &[4, 3, 2, 1],",
        "payload: Some(4),",
        "shape: &Shape { name: \"Bytes\", kind: Kind::Blob { streaming: true }, ..SHAPE }",
        "union: true,",
        "item: &Member { name: \"member\", wire_name: \"tree\",shape: &Tree, ..MEMBER }",
        "pattern: r##\"[\"#a-z]+\"##,",
        "ErrorTrait { code: \"Busy\", status: 429, sender: true }",
        "ErrorTrait { code: \"ThingFault\", status: 500, sender: false }",
    ] {
        assert!(text.contains(part), "{part:?} is missing from {text}");
    }
    assert!(!text.contains("Unreached"), "only what the operations reach is generated");
}

#[test]
fn traits_split_a_service() {
    let text = generated(&entry("trait = 'Stuff'\ntraits.Pinger = ['Ping']")).unwrap();
    assert!(text.contains("pub trait Pinger: Send"), "{text}");
    assert!(
        text.contains("pub fn new(pinger: std::sync::Arc<dyn Pinger>,stuff: std::sync::Arc<dyn Stuff>,)")
    );
    assert!(text.contains("self.pinger.ping(grant)") && text.contains("self.stuff.put_thing("));
}

#[test]
fn the_list_names_what_the_model_has_lost_and_takes_constraints_away() {
    let query = "unconstrained = true\npath_member = 'Id'\n[query]\nxml_namespace = 'urn:things'\n";
    let names = "[query.names]\n'Trees.member' = 'Twig'\n'PutThingRequest.Kind' = 'Sort'\n'NamedTrees.key' = 'Name'\n";
    let text = generated(&entry(&format!("{query}{names}[query.codes]\nBusy = 'Things.Busy'"))).unwrap();
    for part in [
        "xml_namespace: \"urn:things\"",
        "path_member: \"Id\"",
        "result_wrapper: \"WatchThingResult\"",
        "wire_name: \"Twig\"",
        "name: \"Kind\", wire_name: \"Sort\"",
        "key: &Member { name: \"key\", wire_name: \"Name\"",
        "ErrorTrait { code: \"Things.Busy\", status: 400, sender: true }",
    ] {
        assert!(text.contains(part), "{part:?} is missing from {text}");
    }
    for part in ["required: true", "pattern", "min: Some", "enumeration!"] {
        assert!(!text.contains(part), "{part:?} is in {text}");
    }
    let misspelt = format!("{query}[query.names]\n'Trees.items' = 'Twig'\n[query.codes]");
    assert_eq!(generated(&entry(&misspelt)).unwrap_err(), "the model has no member Trees.items");
}

#[test]
fn what_the_generator_does_not_know_is_refused() {
    let absent = ServiceEntry { operations: vec!["Pong".to_owned()], ..entry("") };
    assert_eq!(generated(&absent).unwrap_err(), "the model has no operation Pong");
    let twice = ServiceEntry { operations: vec!["Ping".to_owned(), "Ping".to_owned()], ..entry("") };
    assert_eq!(generated(&twice).unwrap_err(), "an operation is listed twice");
    assert!(generated(&entry("traits.Other = ['GetThing']")).is_err());
    assert!(generated(&entry("protocols = ['smoke-signals']")).is_err());
    for (from, to) in [("\"union\": true", "\"onion\": true"), ("\"streaming\"", "\"steaming\"")] {
        assert!(Model::parse(MODEL.replace(from, to).as_bytes()).is_err(), "{to}");
    }
}
