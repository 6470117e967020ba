package hearth.runtime;

import com.amazonaws.services.lambda.runtime.Context;
import com.amazonaws.services.lambda.runtime.LambdaLogger;
import com.amazonaws.services.lambda.runtime.logging.LogFormat;
import com.amazonaws.services.lambda.runtime.logging.LogLevel;
import hearth.runtime.json.JsonWriter;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.util.Arrays;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * The function's log, on standard output: each message ends its line, as each is an event of its own on AWS.
 *
 * @see <a href="https://docs.aws.amazon.com/lambda/latest/dg/java-logging.html">the developer guide</a>
 */
public final class FunctionLog implements LambdaLogger {
    /** The only one. */
    public static final FunctionLog INSTANCE = new FunctionLog();

    private volatile Context context;

    /** What the function's variables say: read when something is logged, since a stem cell knows none before. */
    private static final class Settings {
        static final boolean JSON = LogFormat.fromString(System.getenv("AWS_LAMBDA_LOG_FORMAT")) == LogFormat.JSON;
        static final LogLevel LEAST = LogLevel.fromString(System.getenv("AWS_LAMBDA_LOG_LEVEL"));
    }

    private FunctionLog() {}

    void setContext(Context current) {
        context = current;
    }

    boolean isJson() {
        return Settings.JSON;
    }

    @Override
    public void log(String message) {
        log(message, LogLevel.UNDEFINED);
    }

    @Override
    public void log(byte[] message) {
        log(message, LogLevel.UNDEFINED);
    }

    @Override
    public void log(String message, LogLevel level) {
        if (isLogged(level)) {
            String text = message == null ? "null" : message;
            write((isJson() ? object(text, level) : line(text, level)).getBytes(StandardCharsets.UTF_8));
        }
    }

    @Override
    public void log(byte[] message, LogLevel level) {
        // Bytes are written as they are, in either format.
        if (isLogged(level)) {
            write(message);
        }
    }

    private boolean isLogged(LogLevel level) {
        return level == LogLevel.UNDEFINED || level.ordinal() >= Settings.LEAST.ordinal();
    }

    private static String line(String message, LogLevel level) {
        return level == LogLevel.UNDEFINED ? message : "[" + level + "] " + message;
    }

    private String object(String message, LogLevel level) {
        Map<String, Object> object = new LinkedHashMap<>();
        DateTimeFormatter format = DateTimeFormatter.ofPattern("yyyy-MM-dd'T'HH:mm:ss.SSS'Z'").withZone(ZoneOffset.UTC);
        object.put("timestamp", format.format(Instant.now()));
        object.put("message", message);
        object.put("level", level.name());
        Context current = context;
        if (current != null) {
            object.put("AWSRequestId", current.getAwsRequestId());
            object.put("tenantId", current.getTenantId());
        }
        object.values().removeAll(Collections.singleton(null));
        return JsonWriter.write(object);
    }

    /**
     * In one write, so that the lines of two threads do not mix. A message of several lines is one of the log with carriage
     * returns, so that it stays one event.
     */
    private static void write(byte[] message) {
        int length = message.length;
        while (length > 0 && message[length - 1] == '\n') {
            length--;
        }
        byte[] line = Arrays.copyOf(message, length + 1);
        for (int i = 0; i < length; i++) {
            line[i] = line[i] == '\n' ? (byte) '\r' : line[i];
        }
        line[length] = '\n';
        System.out.write(line, 0, line.length);
    }
}
