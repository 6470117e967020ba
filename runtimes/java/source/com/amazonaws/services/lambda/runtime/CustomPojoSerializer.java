package com.amazonaws.services.lambda.runtime;

import java.io.InputStream;
import java.io.OutputStream;
import java.lang.reflect.Type;

/** A function's own way between JSON and its types, found as a service of this name. */
public interface CustomPojoSerializer {
    /** Reads a value. */
    <T> T fromJson(InputStream input, Type type);

    /** Reads a value. */
    <T> T fromJson(String input, Type type);

    /** Writes a value. */
    <T> void toJson(T value, OutputStream output, Type type);
}
