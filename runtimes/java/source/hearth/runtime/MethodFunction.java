package hearth.runtime;

import com.amazonaws.services.lambda.runtime.Context;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.InputStream;
import java.io.OutputStream;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.lang.reflect.Type;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;

/**
 * A handler that is a method of any public class: of no parameter, of one value, of streams, each with or without a Context
 * at the end.
 *
 * <p>Of overloads AWS takes the one with the most parameters, a Context counting twice; one that cannot be a handler is told on
 * standard error and passed over.
 */
final class MethodFunction {
    private MethodFunction() {}

    static Function find(Class<?> type, String name) throws Exception {
        Method[] methods;
        try {
            methods = type.getMethods();
        } catch (NoClassDefFoundError missing) {
            throw Fault.of("Error loading method " + name + " on class " + type.getName(), missing, false);
        }
        List<Method> named = new ArrayList<>();
        for (Method method : methods) {
            if (method.getName().equals(name)) {
                named.add(method);
            }
        }
        named.sort(new Preference());
        for (Method method : named) {
            String unfit = unfit(method);
            if (unfit == null) {
                Object instance = Modifier.isStatic(method.getModifiers()) ? null : FunctionLoader.instance(type);
                return of(method, instance);
            }
            System.err.println("Ignoring " + unfit);
        }
        throw Fault.of("No public method named " + name + " with appropriate method signature found on class " + type.getName());
    }

    private static boolean takesContext(Method method) {
        Class<?>[] types = method.getParameterTypes();
        return types.length > 0 && types[types.length - 1] == Context.class;
    }

    /** Why a method cannot be a handler, or null. */
    private static String unfit(Method method) {
        Class<?>[] types = method.getParameterTypes();
        return switch (types.length) {
            case 0, 1 -> null;
            case 2 -> unfitPair(types[0], types[1]);
            case 3 -> types[0] == InputStream.class && types[1] == OutputStream.class && types[2] == Context.class
                    ? null
                    : "three-argument overload because argument signature is not (InputStream, OutputStream, Context";
            default -> "an overload of method " + method.getName() + " because it has too many parameters: Expected at most 3, got "
                    + types.length;
        };
    }

    private static String unfitPair(Class<?> first, Class<?> second) {
        if (first == OutputStream.class) {
            return second == Context.class
                    ? null
                    : "two-argument overload because first argument type is OutputStream and second argument type is not Context";
        }
        if (first == Context.class) {
            return "two-argument overload because first argument type is Context";
        }
        if (first == InputStream.class) {
            return second == OutputStream.class || second == Context.class
                    ? null
                    : "two-argument overload because second parameter type, " + second.getName() + ", is not OutputStream.";
        }
        return second == Context.class ? null : "two-argument overload because second parameter type is not Context";
    }

    private static Function of(Method method, Object instance) {
        List<Class<?>> types = Arrays.asList(method.getParameterTypes());
        if (types.contains(InputStream.class) || types.contains(OutputStream.class)) {
            if (method.getReturnType() != void.class) {
                System.err.println("Will ignore return type " + method.getReturnType() + " on byte stream handler");
            }
            return streams(method, instance, types);
        }
        boolean hasInput = !types.isEmpty() && types.get(0) != Context.class;
        Type inputType = hasInput ? method.getGenericParameterTypes()[0] : null;
        boolean hasContext = takesContext(method);
        ValueFunction.Handler handler = new ValueFunction.Handler() {
            @Override
            public Object handle(Object input, Context context) throws Throwable {
                if (hasInput) {
                    return hasContext ? invoke(method, instance, input, context) : invoke(method, instance, input);
                }
                return hasContext ? invoke(method, instance, context) : invoke(method, instance);
            }
        };
        return new ValueFunction(handler, inputType, method.getGenericReturnType());
    }

    private static Function streams(Method method, Object instance, List<Class<?>> types) {
        return new Function() {
            @Override
            public byte[] call(byte[] event, InvocationContext context) throws Throwable {
                Log4j.tell(context);
                ByteArrayOutputStream output = new ByteArrayOutputStream(1024);
                Object[] arguments = new Object[types.size()];
                for (int i = 0; i < arguments.length; i++) {
                    Class<?> type = types.get(i);
                    arguments[i] = type == InputStream.class
                            ? new ByteArrayInputStream(event)
                            : type == OutputStream.class ? output : context;
                }
                invoke(method, instance, arguments);
                return types.contains(OutputStream.class) ? output.toByteArray() : Serialization.NULL;
            }
        };
    }

    /** The order in which overloads are tried: always the same, which that of a JVM is not, that has met names of methods before. */
    private static final class Preference implements Comparator<Method> {
        @Override
        public int compare(Method one, Method other) {
            int bridge = Boolean.compare(one.isBridge(), other.isBridge());
            int count = bridge != 0 ? bridge : Integer.compare(parameters(other), parameters(one));
            return count != 0 ? count : types(one).compareTo(types(other));
        }

        private static String types(Method method) {
            StringBuilder names = new StringBuilder();
            for (Class<?> type : method.getParameterTypes()) {
                names.append(type.getName()).append(' ');
            }
            return names.toString();
        }

        private static int parameters(Method method) {
            return method.getParameterCount() + (takesContext(method) ? 1 : 0);
        }
    }

    private static Object invoke(Method method, Object instance, Object... arguments) throws Throwable {
        try {
            return method.invoke(instance, arguments);
        } catch (InvocationTargetException thrown) {
            throw thrown.getCause() == null ? thrown : thrown.getCause();
        }
    }
}
