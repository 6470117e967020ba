//! Targets of rules: what a request gives, checked, as it is stored; and as it is shown again.
//! <https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_Target.html>

use crate::failures::{invalid, unsupported};
use crate::model::{Input, TargetRecord};
use crate::transform;
use hearth_api::events::{DeadLetterConfig, InputTransformer, RetryPolicy, SqsParameters, Target};
use hearth_base::Arn;
use hearth_store::queue::EntryId;
use hearth_wire::Failure;
use std::collections::BTreeMap;

/// Checks a target. `storage` is where its events are to wait.
pub fn read(target: Target, storage: EntryId) -> Result<TargetRecord, Failure> {
    refuse_others(&target)?;
    let id = target.id.unwrap_or_default();
    let arn = target.arn.unwrap_or_default();
    let kind = kind(&arn)?;
    let given = [target.input.is_some(), target.input_path.is_some(), target.input_transformer.is_some()];
    if given.iter().filter(|given| **given).count() > 1 {
        return Err(invalid(format!(
            "Only one of Input, InputPath, or InputTransformer must be provided for target {id}."
        )));
    }
    if kind == Kind::Bus && given.contains(&true) {
        return Err(invalid(format!(
            "Input, InputPath and InputTransformer are not supported for target {id}: it is an event bus."
        )));
    }
    let input = match (target.input, target.input_path, target.input_transformer) {
        (Some(text), ..) => constant(&id, text)?,
        (_, Some(path), _) => path_input(&id, path)?,
        (_, _, Some(transformer)) => template(&id, transformer)?,
        _ => Input::Matched,
    };
    let group = target.sqs_parameters.and_then(|parameters| parameters.message_group_id);
    if kind == Kind::Queue && arn.ends_with(".fifo") && group.is_none() {
        return Err(invalid(format!("Parameter(s) SqsParameters must be specified for target: {id}.")));
    }
    if kind != Kind::Queue && group.is_some() {
        return Err(invalid(format!("SqsParameters are not supported for target {id}: it is no SQS queue.")));
    }
    let dead_letter = target.dead_letter_config.and_then(|config| config.arn);
    if let Some(queue) = &dead_letter
        && queue.parse::<Arn>().ok().is_none_or(|arn| arn.service != "sqs" || arn.resource.ends_with(".fifo"))
    {
        return Err(invalid(format!(
            "Invalid DeadLetterConfig for target {id}: {queue} is no standard SQS queue."
        )));
    }
    let policy = target.retry_policy.unwrap_or_default();
    let number = |number: Option<i64>| number.and_then(|number| u32::try_from(number).ok());
    Ok(TargetRecord {
        id,
        arn,
        storage,
        role: target.role_arn,
        input,
        group,
        dead_letter,
        retries_max: number(policy.maximum_retry_attempts),
        age_s_max: number(policy.maximum_event_age_in_seconds),
    })
}

#[derive(PartialEq)]
enum Kind {
    Function,
    Queue,
    Topic,
    Bus,
    LogGroup,
}

/// What an ARN names, if events can go there.
fn kind(text: &str) -> Result<Kind, Failure> {
    let arn: Arn = text.parse().map_err(|_| {
        invalid(format!("Parameter {text} is not valid. Reason: Provided Arn is not in correct format."))
    })?;
    match arn.service.as_str() {
        "lambda" if arn.resource.starts_with("function:") => Ok(Kind::Function),
        "sqs" => Ok(Kind::Queue),
        "sns" => Ok(Kind::Topic),
        "events" if arn.resource.starts_with("event-bus/") => Ok(Kind::Bus),
        "logs" if arn.resource.starts_with("log-group:") => Ok(Kind::LogGroup),
        service => Err(unsupported(format!("targets of the service {service} ({text})"))),
    }
}

fn refuse_others(target: &Target) -> Result<(), Failure> {
    let others = [
        ("KinesisParameters", target.kinesis_parameters.is_some()),
        ("RunCommandParameters", target.run_command_parameters.is_some()),
        ("EcsParameters", target.ecs_parameters.is_some()),
        ("BatchParameters", target.batch_parameters.is_some()),
        ("HttpParameters", target.http_parameters.is_some()),
        ("RedshiftDataParameters", target.redshift_data_parameters.is_some()),
        ("SageMakerPipelineParameters", target.sage_maker_pipeline_parameters.is_some()),
        ("AppSyncParameters", target.app_sync_parameters.is_some()),
    ];
    match others.into_iter().find(|(_, given)| *given) {
        Some((name, _)) => Err(unsupported(format!("{name} of targets"))),
        None => Ok(()),
    }
}

fn constant(id: &str, text: String) -> Result<Input, Failure> {
    match serde_json::from_str::<serde_json::Value>(&text) {
        Ok(_) => Ok(Input::Constant(text)),
        Err(error) => Err(invalid(format!("JSON syntax error in input for target {id} : {error}"))),
    }
}

fn path_input(id: &str, path: String) -> Result<Input, Failure> {
    if transform::is_path(&path) { Ok(Input::Path(path)) } else { Err(no_path(id, &path)) }
}

fn no_path(id: &str, path: &str) -> Failure {
    invalid(format!("Invalid InputPath for target {id} : {path}."))
}

fn template(id: &str, transformer: InputTransformer) -> Result<Input, Failure> {
    let template = transformer.input_template.unwrap_or_default();
    let paths: BTreeMap<String, String> = transformer.input_paths_map.unwrap_or_default();
    for (name, path) in &paths {
        if transform::is_reserved(name) {
            return Err(invalid(format!(
                "Invalid InputPathsMap for target {id} : {name} is a reserved name."
            )));
        }
        if !transform::is_path(path) {
            return Err(no_path(id, path));
        }
    }
    if let Some(unknown) =
        transform::variables(&template).into_iter().find(|name| !transform::is_known(name, &paths))
    {
        return Err(invalid(format!(
            "Invalid InputTemplate for target {id} : {unknown} is not in InputPathsMap."
        )));
    }
    Ok(Input::Template { paths, template })
}

/// The target as a request would give it.
pub fn shown(record: &TargetRecord) -> Target {
    let (mut input, mut input_path, mut input_transformer) = (None, None, None);
    match record.input.clone() {
        Input::Matched => {}
        Input::Constant(text) => input = Some(text),
        Input::Path(path) => input_path = Some(path),
        Input::Template { paths, template } => {
            let paths = Some(paths).filter(|paths| !paths.is_empty());
            input_transformer =
                Some(InputTransformer { input_paths_map: paths, input_template: Some(template) });
        }
    }
    let policy = (record.retries_max.is_some() || record.age_s_max.is_some()).then(|| RetryPolicy {
        maximum_retry_attempts: record.retries_max.map(i64::from),
        maximum_event_age_in_seconds: record.age_s_max.map(i64::from),
    });
    Target {
        id: Some(record.id.clone()),
        arn: Some(record.arn.clone()),
        role_arn: record.role.clone(),
        input,
        input_path,
        input_transformer,
        sqs_parameters: record.group.clone().map(|group| SqsParameters { message_group_id: Some(group) }),
        dead_letter_config: record.dead_letter.clone().map(|arn| DeadLetterConfig { arn: Some(arn) }),
        retry_policy: policy,
        ..Target::default()
    }
}
