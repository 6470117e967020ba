package com.amazonaws.services.lambda.runtime.logging;

/** How the log is written. */
public enum LogFormat {
    /** An object a line. */
    JSON,
    /** As the message says. */
    TEXT;

    /** The format of a name in any case; TEXT for what is none. */
    public static LogFormat fromString(String name) {
        return "JSON".equalsIgnoreCase(name) ? JSON : TEXT;
    }
}
