package com.amazonaws.services.lambda.runtime;

/** A function from one type to another. */
public interface RequestHandler<I, O> {
    /** Answers an invocation. */
    O handleRequest(I input, Context context);
}
