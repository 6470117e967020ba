package hearth.runtime;

import com.amazonaws.services.lambda.runtime.CustomPojoSerializer;
import hearth.runtime.json.Binder;
import hearth.runtime.json.JsonReader;
import hearth.runtime.json.JsonWriter;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.lang.reflect.Type;
import java.net.URLClassLoader;
import java.nio.charset.StandardCharsets;
import java.util.Iterator;
import java.util.ServiceLoader;

/** Between JSON and a handler's types: the function's own serializer if it brings one, or else ours. */
interface Serialization {
    /** `null`. */
    byte[] NULL = {'n', 'u', 'l', 'l'};

    /** Reads an event. */
    Object read(byte[] json, Type type);

    /** Writes an answer. */
    byte[] write(Object value, Type type);

    /** The one to use in this process. */
    static Serialization find() {
        ClassLoader loader = Thread.currentThread().getContextClassLoader();
        if (bringsNone(loader)) {
            return new Own();
        }
        Iterator<CustomPojoSerializer> found = ServiceLoader.load(CustomPojoSerializer.class, loader).iterator();
        if (!found.hasNext()) {
            return new Own();
        }
        CustomPojoSerializer custom = found.next();
        if (found.hasNext()) {
            throw new IllegalStateException(
                    "Too many serializers provided inside the META-INF/services folder, only one is allowed");
        }
        return new Custom(custom);
    }

    /**
     * Whether there can be none but ours, which is so for most functions. A ServiceLoader would ask for milliseconds, since it goes through
     * the JDK's modules too. Agents may bring one into the class path above the function's: that takes one of these variables.
     */
    private static boolean bringsNone(ClassLoader loader) {
        return loader instanceof URLClassLoader own
                && own.getParent() == ClassLoader.getSystemClassLoader()
                && own.findResource("META-INF/services/" + CustomPojoSerializer.class.getName()) == null
                && System.getenv("JAVA_TOOL_OPTIONS") == null
                && System.getenv("JDK_JAVA_OPTIONS") == null
                && System.getenv("_JAVA_OPTIONS") == null
                && System.getenv("AWS_LAMBDA_EXEC_WRAPPER") == null;
    }

    /** Ours. */
    final class Own implements Serialization {
        @Override
        public Object read(byte[] json, Type type) {
            return Binder.bind(JsonReader.read(new String(json, StandardCharsets.UTF_8)), type);
        }

        @Override
        public byte[] write(Object value, Type type) {
            return JsonWriter.write(value).getBytes(StandardCharsets.UTF_8);
        }
    }

    /** The function's. */
    record Custom(CustomPojoSerializer serializer) implements Serialization {
        @Override
        public Object read(byte[] json, Type type) {
            return serializer.fromJson(new ByteArrayInputStream(json), type);
        }

        @Override
        public byte[] write(Object value, Type type) {
            ByteArrayOutputStream json = new ByteArrayOutputStream(1024);
            serializer.toJson(value, json, type);
            return json.toByteArray();
        }
    }
}
