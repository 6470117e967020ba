package hearth.runtime;

import hearth.runtime.json.JsonWriter;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Collections;
import java.util.IdentityHashMap;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Set;

/** What is wrong with a function before its handler runs, and how anything thrown is told to the platform and the log. */
final class Fault extends RuntimeException {
    private static final long serialVersionUID = 1L;

    static final String BAD_FUNCTION_CODE = "Runtime.BadFunctionCode";
    static final String USER_EXCEPTION = "Runtime.UserException";
    private static final String RUNTIME_PACKAGE = "hearth.runtime.";

    private final String text;
    private final String type;
    private final String trace;
    /** Whether it is told at initialisation, and not to each invocation. */
    final boolean fatal;

    private Fault(String text, String type, String trace, boolean fatal) {
        super(text, null, false, false);
        this.text = text;
        this.type = type;
        this.trace = trace;
        this.fatal = fatal;
    }

    static Fault of(String text) {
        return new Fault(text, null, null, false);
    }

    static Fault of(Throwable thrown, boolean fatal) {
        return of(text(thrown), thrown, fatal);
    }

    static Fault of(String text, Throwable thrown, boolean fatal) {
        StringWriter trace = new StringWriter();
        filter(thrown).printStackTrace(new PrintWriter(trace));
        return new Fault(text, thrown.getClass().getName(), trace.toString(), fatal);
    }

    /** The error document: without a trace, as AWS's is. */
    byte[] document() {
        return document(text, type, null);
    }

    static byte[] document(Throwable thrown) {
        String[] frames = Arrays.stream(thrown.getStackTrace()).map(StackTraceElement::toString).toArray(String[]::new);
        return document(text(thrown), thrown.getClass().getName(), frames);
    }

    private static byte[] document(String text, String type, String[] frames) {
        Map<String, Object> document = new LinkedHashMap<>();
        document.put("errorMessage", text);
        document.put("errorType", type);
        document.put("stackTrace", frames);
        document.values().removeIf(value -> value == null);
        return JsonWriter.write(document).getBytes(StandardCharsets.UTF_8);
    }

    /** What the log is told. */
    String report() {
        if (type == null && trace == null) {
            return text + "\n";
        }
        return text + ": " + (type == null ? "" : type) + "\n" + (trace == null ? "" : trace) + "\n";
    }

    private static String text(Throwable thrown) {
        String text = thrown.getLocalizedMessage();
        return text == null ? thrown.getClass().getName() : text;
    }

    /** Cuts this runtime's frames from a trace and from those of its causes. */
    static <T extends Throwable> T filter(T thrown) {
        filter(thrown, Collections.newSetFromMap(new IdentityHashMap<>()));
        return thrown;
    }

    private static void filter(Throwable thrown, Set<Throwable> seen) {
        if (thrown == null || !seen.add(thrown)) {
            return;
        }
        StackTraceElement[] frames = thrown.getStackTrace();
        for (int i = 0; i < frames.length; i++) {
            if (frames[i].getClassName().startsWith(RUNTIME_PACKAGE)) {
                thrown.setStackTrace(Arrays.copyOf(frames, i));
                break;
            }
        }
        filter(thrown.getCause(), seen);
        for (Throwable suppressed : thrown.getSuppressed()) {
            filter(suppressed, seen);
        }
    }
}
