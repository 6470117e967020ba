package com.amazonaws.services.lambda.runtime;

import java.util.Map;

/** What the caller gave with `ClientContext`. */
public interface ClientContext {
    /** The application. */
    Client getClient();

    /** The caller's own values. */
    Map<String, String> getCustom();

    /** What the SDK says of where it runs. */
    Map<String, String> getEnvironment();
}
