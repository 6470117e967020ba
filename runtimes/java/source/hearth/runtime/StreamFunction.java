package hearth.runtime;

import com.amazonaws.services.lambda.runtime.RequestStreamHandler;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;

/** A handler of bytes. */
record StreamFunction(RequestStreamHandler handler) implements Function {
    @Override
    public byte[] call(byte[] event, InvocationContext context) throws Throwable {
        Log4j.tell(context);
        ByteArrayOutputStream output = new ByteArrayOutputStream(1024);
        handler.handleRequest(new ByteArrayInputStream(event), output, context);
        return output.toByteArray();
    }
}
