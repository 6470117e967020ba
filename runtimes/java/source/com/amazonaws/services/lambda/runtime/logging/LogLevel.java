package com.amazonaws.services.lambda.runtime.logging;

/** Levels of log messages, from the least severe. */
public enum LogLevel {
    /** Always logged. */
    UNDEFINED,
    /** Every step. */
    TRACE,
    /** For who looks for a fault. */
    DEBUG,
    /** What happens. */
    INFO,
    /** What may be wrong. */
    WARN,
    /** What is wrong. */
    ERROR,
    /** What ends the function. */
    FATAL;

    /** The level of a name in any case; UNDEFINED for what is none. */
    public static LogLevel fromString(String name) {
        for (LogLevel level : values()) {
            if (level.name().equalsIgnoreCase(name)) {
                return level;
            }
        }
        return UNDEFINED;
    }
}
