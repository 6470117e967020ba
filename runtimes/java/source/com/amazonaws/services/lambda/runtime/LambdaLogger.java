package com.amazonaws.services.lambda.runtime;

import com.amazonaws.services.lambda.runtime.logging.LogLevel;

/** The function's log. */
public interface LambdaLogger {
    /** Logs a message. */
    void log(String message);

    /** Logs a message. */
    void log(byte[] message);

    /** Logs a message, if this level is logged. */
    default void log(String message, LogLevel level) {
        log(message);
    }

    /** Logs a message, if this level is logged. */
    default void log(byte[] message, LogLevel level) {
        log(message);
    }
}
