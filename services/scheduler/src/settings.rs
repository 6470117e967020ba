//! The settings of a schedule: checked, and shown.
//! <https://docs.aws.amazon.com/scheduler/latest/APIReference/API_CreateSchedule.html>

use crate::Inner;
use crate::failures::{invalid, unsupported};
use crate::model::{EventParameters, ScheduleRecord, Settings, Target, Timing};
use crate::naming::ScheduleName;
use crate::target::Kind;
use hearth_api::scheduler as api;
use hearth_base::Timestamp;
use hearth_iam::Access;
use hearth_schedule::ZonedSchedule;
use hearth_wire::Failure;
use std::time::Duration;

/// How long a start may have passed. AWS: five minutes.
const START_LATE: Duration = Duration::from_secs(300);
/// The first of January of the year 10000: what dates can be written.
const DATES_END_S: i64 = 253_402_300_800;
/// Bytes of the input of a target.
/// <https://docs.aws.amazon.com/scheduler/latest/UserGuide/scheduler-quotas.html>
const INPUT_BYTES_MAX: usize = 256 << 10;
/// Seconds for which an invocation is tried, and how often again, when the schedule does not say.
const AGE_DEFAULT_S: u32 = 86_400;
const RETRIES_DEFAULT: u32 = 185;
/// Who assumes the role of a target.
pub const PRINCIPAL: &str = "scheduler.amazonaws.com";

/// What CreateSchedule and UpdateSchedule ask for alike.
pub struct Asked {
    pub timing: Timing,
    pub token: Option<String>,
    settings: Given,
}

/// The rest of it.
struct Given {
    description: Option<String>,
    state: Option<api::ScheduleState>,
    key: Option<String>,
    target: Option<api::Target>,
    window: Option<api::FlexibleTimeWindow>,
    completion: Option<api::ActionAfterCompletion>,
}

macro_rules! asked_of {
    ($($input:ident),*) => {$(
        impl From<api::$input> for Asked {
            fn from(input: api::$input) -> Self {
                Self {
                    timing: Timing {
                        expression: input.schedule_expression.unwrap_or_default(),
                        zone: input.schedule_expression_timezone.unwrap_or_else(|| "UTC".to_owned()),
                        start: input.start_date,
                        end: input.end_date,
                    },
                    token: input.client_token,
                    settings: Given {
                        description: input.description,
                        state: input.state,
                        key: input.kms_key_arn,
                        target: input.target,
                        window: input.flexible_time_window,
                        completion: input.action_after_completion,
                    },
                }
            }
        }
    )*};
}

asked_of!(CreateScheduleInput, UpdateScheduleInput);

impl Asked {
    /// The settings, if they are good ones, and the expression, read. `former` is the timing they replace: dates that
    /// stay need not be in the future once more.
    pub fn check(
        self,
        inner: &Inner,
        name: &ScheduleName,
        former: Option<&Timing>,
    ) -> Result<(Settings, ZonedSchedule), Failure> {
        let Self { timing, settings, .. } = self;
        if settings.key.is_some() {
            return Err(unsupported("KmsKeyArn"));
        }
        let schedule = inner.zones.read(&timing)?;
        check_dates(&timing, former, inner.clock.now())?;
        let window = check_window(settings.window.unwrap_or_default())?;
        let target = check_target(settings.target.unwrap_or_default())?;
        if !may_assume(inner, name, &target.role) {
            return Err(invalid(
                "The execution role you provide must allow AWS EventBridge Scheduler to assume the role.",
            ));
        }
        let settings = Settings {
            timing,
            description: settings.description,
            enabled: settings.state != Some(api::ScheduleState::Disabled),
            window,
            deletes: settings.completion == Some(api::ActionAfterCompletion::Delete),
            target,
        };
        Ok((settings, schedule))
    }
}

/// Whether a role may be assumed for a schedule: it is the account's, is there, and trusts the scheduler.
pub fn may_assume(inner: &Inner, name: &ScheduleName, role: &str) -> bool {
    // AWS: the source is the group, so that one role serves all its schedules.
    let source = name.group().arn();
    let access = Access {
        source_arn: Some(&source),
        source_account: name.account.parse().ok(),
        ..Access::new("sts:AssumeRole", role)
    };
    role.split(':').nth(4) == Some(&name.account)
        && inner.authority.service_may_assume(PRINCIPAL, role, &access)
}

fn check_dates(timing: &Timing, former: Option<&Timing>, now: Timestamp) -> Result<(), Failure> {
    let dates = [("StartDate", timing.start), ("EndDate", timing.end)];
    for (name, date) in dates {
        if date.is_some_and(|date| !(0..DATES_END_S).contains(&date.seconds())) {
            return Err(invalid(format!("The {name} you specify is out of range.")));
        }
    }
    if let Some(start) = timing.start.filter(|_| former.is_none_or(|former| former.start != timing.start))
        && start.after(START_LATE) < now
    {
        return Err(invalid("The StartDate you specify cannot be earlier than 5 minutes ago."));
    }
    if let Some(end) = timing.end {
        if timing.start.is_some_and(|start| end <= start) {
            return Err(invalid("The EndDate you specify must come after the StartDate you specify."));
        }
        if end < now && former.is_none_or(|former| former.end != timing.end) {
            return Err(invalid("The EndDate you specify cannot be in the past."));
        }
    }
    Ok(())
}

fn check_window(window: api::FlexibleTimeWindow) -> Result<Option<u32>, Failure> {
    let minutes = window.maximum_window_in_minutes.and_then(|minutes| u32::try_from(minutes).ok());
    match (window.mode, minutes) {
        (Some(api::FlexibleTimeWindowMode::Flexible), Some(minutes)) => Ok(Some(minutes)),
        (Some(api::FlexibleTimeWindowMode::Flexible), None) => {
            Err(invalid("MaximumWindowInMinutes must be provided when FlexibleTimeWindow Mode is FLEXIBLE."))
        }
        (_, Some(_)) => {
            Err(invalid("MaximumWindowInMinutes cannot be provided when FlexibleTimeWindow Mode is OFF."))
        }
        (_, None) => Ok(None),
    }
}

fn check_target(target: api::Target) -> Result<Target, Failure> {
    for (given, name) in [
        (target.ecs_parameters.is_some(), "EcsParameters"),
        (target.kinesis_parameters.is_some(), "KinesisParameters"),
        (target.sage_maker_pipeline_parameters.is_some(), "SageMakerPipelineParameters"),
        (target.event_bridge_put_events_v2_parameters.is_some(), "EventBridgePutEventsV2Parameters"),
        (target.event_bridge_put_raw_events_parameters.is_some(), "EventBridgePutRawEventsParameters"),
    ] {
        if given {
            return Err(unsupported(name));
        }
    }
    let retries = target.retry_policy.unwrap_or_default();
    let number = |given: Option<i64>, default| given.and_then(|it| u32::try_from(it).ok()).unwrap_or(default);
    let event = target.event_bridge_parameters.map(|event| EventParameters {
        detail_type: event.detail_type.unwrap_or_default(),
        source: event.source.unwrap_or_default(),
    });
    let target = Target {
        arn: target.arn.unwrap_or_default(),
        role: target.role_arn.unwrap_or_default(),
        input: target.input,
        dead_letters: target.dead_letter_config.and_then(|config| config.arn),
        max_age_s: number(retries.maximum_event_age_in_seconds, AGE_DEFAULT_S),
        max_retries: number(retries.maximum_retry_attempts, RETRIES_DEFAULT),
        group: target.sqs_parameters.and_then(|parameters| parameters.message_group_id),
        event,
    };
    if target.input.as_ref().is_some_and(|input| input.len() > INPUT_BYTES_MAX) {
        return Err(invalid(format!(
            "The Input of the target cannot be larger than {INPUT_BYTES_MAX} bytes."
        )));
    }
    Kind::of(&target.arn)?.check(&target)?;
    Ok(target)
}

/// A schedule as GetSchedule shows it.
pub fn shown(name: &ScheduleName, record: &ScheduleRecord) -> api::GetScheduleOutput {
    let Settings { timing, description, enabled, window, deletes, target } = record.settings.clone();
    let mode = if window.is_some() {
        api::FlexibleTimeWindowMode::Flexible
    } else {
        api::FlexibleTimeWindowMode::Off
    };
    api::GetScheduleOutput {
        arn: Some(name.arn()),
        group_name: Some(name.group.clone()),
        name: Some(name.name.clone()),
        schedule_expression: Some(timing.expression),
        start_date: timing.start,
        end_date: timing.end,
        description,
        schedule_expression_timezone: Some(timing.zone),
        state: Some(state(enabled)),
        creation_date: Some(record.created),
        last_modification_date: Some(record.modified),
        target: Some(shown_target(target)),
        flexible_time_window: Some(api::FlexibleTimeWindow {
            mode: Some(mode),
            maximum_window_in_minutes: window.map(i64::from),
        }),
        action_after_completion: Some(if deletes {
            api::ActionAfterCompletion::Delete
        } else {
            api::ActionAfterCompletion::None
        }),
        ..Default::default()
    }
}

/// A schedule in a list.
pub fn summary(name: &ScheduleName, record: &ScheduleRecord) -> api::ScheduleSummary {
    api::ScheduleSummary {
        arn: Some(name.arn()),
        name: Some(name.name.clone()),
        group_name: Some(name.group.clone()),
        state: Some(state(record.settings.enabled)),
        creation_date: Some(record.created),
        last_modification_date: Some(record.modified),
        target: Some(api::TargetSummary { arn: Some(record.settings.target.arn.clone()) }),
    }
}

fn state(enabled: bool) -> api::ScheduleState {
    if enabled { api::ScheduleState::Enabled } else { api::ScheduleState::Disabled }
}

fn shown_target(target: Target) -> api::Target {
    api::Target {
        arn: Some(target.arn),
        role_arn: Some(target.role),
        input: target.input,
        dead_letter_config: target.dead_letters.map(|arn| api::DeadLetterConfig { arn: Some(arn) }),
        retry_policy: Some(api::RetryPolicy {
            maximum_event_age_in_seconds: Some(i64::from(target.max_age_s)),
            maximum_retry_attempts: Some(i64::from(target.max_retries)),
        }),
        sqs_parameters: target.group.map(|group| api::SqsParameters { message_group_id: Some(group) }),
        event_bridge_parameters: target.event.map(|event| api::EventBridgeParameters {
            detail_type: Some(event.detail_type),
            source: Some(event.source),
        }),
        ..Default::default()
    }
}
