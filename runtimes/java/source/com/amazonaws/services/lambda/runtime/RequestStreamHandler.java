package com.amazonaws.services.lambda.runtime;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;

/** A function from bytes to bytes. */
public interface RequestStreamHandler {
    /** Answers an invocation. */
    void handleRequest(InputStream input, OutputStream output, Context context) throws IOException;
}
