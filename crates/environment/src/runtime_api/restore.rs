//! `GET restore/next` and `POST restore/error`: what runtimes that can be snapped say before the snapshot, and hear after it.
//! <https://docs.aws.amazon.com/lambda/latest/dg/snapstart-runtime-hooks.html>
//!
//! It refuses them to whoever is not initialised for a snapshot.

use super::body::{BUFFERED_BYTES_MAX, Collected, collect, error_body, error_type, error_type_in};
use super::{Initialisation, Phase, Refused, RuntimeApi, accepted};
use crate::InitializationType;
use crate::extensions_api::answer;
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;

/// What a failed restore is called when the runtime does not say.
const RESTORE_ERROR: &str = "Runtime.RestoreError";

impl RuntimeApi {
    /// Whether the runtime waits for its restore.
    pub(crate) fn is_snapped(&self) -> bool {
        self.lock().phase == Phase::Snapped
    }

    /// Answers the runtime's `restore/next`: it goes on where it was snapped.
    pub(crate) fn restore(&self) {
        self.lock().phase = Phase::Restoring;
        self.offered.notify_one();
    }

    pub(super) async fn restore_next(&self) -> Result<Response<Full<Bytes>>, Refused> {
        if self.extensions.definition().initialization != InitializationType::SnapStart {
            return Err(Refused::InvalidTransition);
        }
        {
            let mut state = self.lock();
            match state.phase {
                Phase::Starting => {
                    state.initialisation = Some(Initialisation::Snapped);
                    state.phase = Phase::Snapped;
                }
                // A runtime that lost its connection, or its answer, asks again.
                Phase::Snapped | Phase::Restoring => {}
                _ => return Err(Refused::InvalidTransition),
            }
        }
        self.posted.notify_one();
        loop {
            let restored = self.offered.notified();
            match self.lock().phase {
                Phase::Snapped => {}
                Phase::Restoring => return Ok(answer(StatusCode::OK, "")),
                _ => return Err(Refused::InvalidTransition),
            }
            restored.await;
        }
    }

    pub(super) async fn restore_error(
        &self,
        request: Request<Incoming>,
    ) -> Result<Response<Full<Bytes>>, Refused> {
        if self.lock().phase != Phase::Restoring {
            return Err(Refused::InvalidTransition);
        }
        let (head, body) = request.into_parts();
        let Collected::Whole { payload, .. } = collect(body).await? else {
            return Err(Refused::TooLarge { limit: BUFFERED_BYTES_MAX });
        };
        let body = error_body(&head.headers, payload);
        let error_type = error_type(&head.headers).or_else(|| error_type_in(&body));
        let error_type = error_type.unwrap_or_else(|| RESTORE_ERROR.to_owned());
        {
            let mut state = self.lock();
            if state.phase != Phase::Restoring {
                return Err(Refused::InvalidTransition);
            }
            state.phase = Phase::Failed;
            state.initialisation = Some(Initialisation::Failed { error_type, body });
        }
        self.posted.notify_one();
        Ok(accepted())
    }
}
