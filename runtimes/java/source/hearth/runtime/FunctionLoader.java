package hearth.runtime;

import com.amazonaws.services.lambda.runtime.Context;
import com.amazonaws.services.lambda.runtime.RequestHandler;
import com.amazonaws.services.lambda.runtime.RequestStreamHandler;
import java.lang.reflect.Constructor;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Modifier;
import java.lang.reflect.ParameterizedType;
import java.lang.reflect.Type;
import java.lang.reflect.TypeVariable;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.HashMap;
import java.util.Map;

/**
 * Finds what the handler's name means: `package.Class`, which implements one of AWS's interfaces, or
 * `package.Class::method`.
 *
 * <p>A constructor or static initialiser that throws fails the initialisation; a name that means nothing fails each
 * invocation, as on AWS.
 *
 * @see <a href="https://docs.aws.amazon.com/lambda/latest/dg/java-handler.html">the developer guide</a>
 */
final class FunctionLoader {
    private FunctionLoader() {}

    static Function load(String handler, ClassLoader loader) {
        int colons = handler.lastIndexOf("::");
        String className = colons < 0 ? handler : handler.substring(0, colons);
        String method = colons < 0 ? null : handler.substring(colons + 2);
        if (className.isEmpty() || method != null && method.isEmpty()) {
            return Function.faulty(Fault.of("Invalid handler: `" + handler + "'"));
        }
        Class<?> type;
        try {
            type = Class.forName(className, true, loader);
        } catch (ClassNotFoundException missing) {
            return Function.faulty(Fault.of("Class not found: " + className, missing, false));
        } catch (Throwable thrown) {
            String message = thrown.getMessage() == null ? "" : ": " + thrown.getMessage();
            throw Fault.of("Error loading class " + className + message, thrown, true);
        }
        try {
            return method == null ? implementing(type) : MethodFunction.find(type, method);
        } catch (Fault fault) {
            if (fault.fatal) {
                throw fault;
            }
            return Function.faulty(fault);
        } catch (Throwable thrown) {
            return Function.faulty(Fault.of(thrown, false));
        }
    }

    @SuppressWarnings("unchecked")
    private static Function implementing(Class<?> type) throws Exception {
        if (RequestStreamHandler.class.isAssignableFrom(type)) {
            return new StreamFunction((RequestStreamHandler) instance(type));
        }
        if (!RequestHandler.class.isAssignableFrom(type)) {
            throw Fault.of("Class does not implement an appropriate handler interface: " + type.getName());
        }
        Type[] types = handlerTypes(type);
        if (types == null) {
            throw Fault.of("Class " + type.getName() + " does not implement RequestHandler with concrete type parameters");
        }
        for (Type argument : types) {
            if (argument instanceof TypeVariable<?> variable && variable.getBounds()[0] == Object.class) {
                throw Fault.of("Class " + type.getName() + " does not implement RequestHandler with concrete type parameters:"
                        + " parameter " + argument + " has no upper bound.");
            }
        }
        RequestHandler<Object, Object> handler = (RequestHandler<Object, Object>) instance(type);
        return new ValueFunction(new Implementation(handler), types[0], types[1]);
    }

    private record Implementation(RequestHandler<Object, Object> handler) implements ValueFunction.Handler {
        @Override
        public Object handle(Object input, Context context) {
            return handler.handleRequest(input, context);
        }
    }

    /** A new one, of its public constructor without parameters. */
    static Object instance(Class<?> type) throws Exception {
        Constructor<?> constructor;
        try {
            constructor = type.getConstructor();
        } catch (NoSuchMethodException missing) {
            if (type.getEnclosingClass() != null && !Modifier.isStatic(type.getModifiers())) {
                throw new Exception("Class " + type.getName() + " cannot be instantiated because it is a non-static inner class");
            }
            throw new Exception("Class " + type.getName() + " has no public zero-argument constructor", missing);
        }
        try {
            return constructor.newInstance();
        } catch (InvocationTargetException thrown) {
            throw Fault.of(thrown.getCause() == null ? thrown : thrown.getCause(), true);
        }
    }

    /** What `I` and `O` of RequestHandler are in a class, its superclasses and interfaces looked through. */
    private static Type[] handlerTypes(Class<?> type) {
        Deque<Type> open = new ArrayDeque<>();
        Map<TypeVariable<?>, Type> known = new HashMap<>();
        open.add(type);
        while (!open.isEmpty()) {
            Type next = open.poll();
            Class<?> raw;
            if (next instanceof ParameterizedType parameterized) {
                raw = (Class<?>) parameterized.getRawType();
                TypeVariable<?>[] variables = raw.getTypeParameters();
                Type[] arguments = parameterized.getActualTypeArguments();
                for (int i = 0; i < variables.length; i++) {
                    known.put(variables[i], known.getOrDefault(arguments[i], arguments[i]));
                }
                if (raw == RequestHandler.class) {
                    return new Type[] {known.get(variables[0]), known.get(variables[1])};
                }
            } else {
                raw = (Class<?>) next;
            }
            for (Type implemented : raw.getGenericInterfaces()) {
                open.add(implemented);
            }
            if (raw.getGenericSuperclass() != null) {
                open.add(raw.getGenericSuperclass());
            }
        }
        return null;
    }
}
