package hearth.runtime;

import com.amazonaws.services.lambda.runtime.logging.LogLevel;
import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.IOError;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;

/** The runtime's entry: loads the function that `_HANDLER` names, then answers one invocation after the other. */
public final class Bootstrap {
    static final String TRACE_PROPERTY = "com.amazonaws.xray.traceHeader";

    private final RuntimeClient client;

    Bootstrap(RuntimeClient client) {
        this.client = client;
    }

    /** The argument is where the layers are. Ends only when the function cannot be loaded, or has thrown what no environment outlives. */
    public static void main(String[] arguments) throws Exception {
        // Unbuffered, so that a line is one write, and nothing is lost when the process ends.
        System.setOut(unbuffered(FileDescriptor.out));
        System.setErr(unbuffered(FileDescriptor.err));
        Cell.becomeFunction();
        Bootstrap bootstrap = new Bootstrap(new RuntimeClient(System.getenv("AWS_LAMBDA_RUNTIME_API")));
        Function function = bootstrap.load(System.getenv("_HANDLER"), arguments.length > 0 ? arguments[0] : "/opt");
        while (bootstrap.answer(function)) {
            // An interruption that user code asked for is none of the next invocation's.
            Thread.interrupted();
        }
        // Whatever threads the function has started.
        System.exit(0);
    }

    private static PrintStream unbuffered(FileDescriptor descriptor) {
        return new PrintStream(new FileOutputStream(descriptor), false, StandardCharsets.UTF_8);
    }

    private Function load(String handler, String layers) throws IOException {
        String root = System.getenv().getOrDefault("LAMBDA_TASK_ROOT", System.getProperty("user.dir"));
        ClassLoader loader = new FunctionClassLoader(root, layers);
        Thread.currentThread().setContextClassLoader(loader);
        try {
            return FunctionLoader.load(handler, loader);
        } catch (Fault fault) {
            report(fault);
            client.postInitError(fault.document(), Fault.BAD_FUNCTION_CODE);
            System.exit(1);
            throw fault;
        }
    }

    /** Whether the environment can take another invocation. */
    boolean answer(Function function) throws IOException {
        RuntimeClient.Invocation invocation = client.next();
        String trace = invocation.header("lambda-runtime-trace-id");
        if (trace == null) {
            System.clearProperty(TRACE_PROPERTY);
        } else {
            System.setProperty(TRACE_PROPERTY, trace);
        }
        byte[] answer;
        try {
            InvocationContext context = new InvocationContext(invocation);
            FunctionLog.INSTANCE.setContext(context);
            answer = function.call(invocation.body(), context);
        } catch (Fault fault) {
            client.postError(invocation.id(), fault.document(), Fault.BAD_FUNCTION_CODE);
            report(fault);
            return !fault.fatal;
        } catch (Throwable thrown) {
            Fault.filter(thrown);
            client.postError(invocation.id(), Fault.document(thrown), Fault.USER_EXCEPTION);
            report(Fault.of(thrown, false));
            return !(thrown instanceof VirtualMachineError) && !(thrown instanceof IOError);
        }
        client.postResponse(invocation.id(), answer);
        return true;
    }

    private static void report(Fault fault) {
        FunctionLog.INSTANCE.log(fault.report(), FunctionLog.INSTANCE.isJson() ? LogLevel.ERROR : LogLevel.UNDEFINED);
    }
}
