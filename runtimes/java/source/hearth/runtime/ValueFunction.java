package hearth.runtime;

import com.amazonaws.services.lambda.runtime.Context;
import java.lang.reflect.Type;

/** A handler of values: JSON is read before it and written after it. Either type may be null: then there is none. */
final class ValueFunction implements Function {
    /** The call itself. */
    interface Handler {
        Object handle(Object input, Context context) throws Throwable;
    }

    private final Handler handler;
    private final Type inputType;
    private final Type outputType;
    private Serialization serialization;

    ValueFunction(Handler handler, Type inputType, Type outputType) {
        this.handler = handler;
        this.inputType = inputType;
        this.outputType = outputType == void.class || outputType == Void.class ? null : outputType;
    }

    @Override
    public byte[] call(byte[] event, InvocationContext context) throws Throwable {
        Log4j.tell(context);
        Object input = null;
        try {
            if (serialization == null) {
                serialization = Serialization.find();
            }
            if (inputType != null) {
                input = serialization.read(event, inputType);
            }
        } catch (Throwable thrown) {
            throw new RuntimeException("An error occurred during JSON parsing", Fault.filter(thrown));
        }
        Object output = handler.handle(input, context);
        try {
            return outputType == null ? Serialization.NULL : serialization.write(output, outputType);
        } catch (Throwable thrown) {
            throw new RuntimeException("An error occurred during JSON serialization of response", thrown);
        }
    }
}
