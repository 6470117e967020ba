package hearth.runtime;

/** A loaded function: bytes of an event to bytes of an answer. */
interface Function {
    /** Throws what the handler throws, or a {@link Fault} when there is no handler to call. */
    byte[] call(byte[] event, InvocationContext context) throws Throwable;

    /** One that answers every invocation with the same fault. */
    static Function faulty(Fault fault) {
        return (event, context) -> {
            throw fault;
        };
    }
}
