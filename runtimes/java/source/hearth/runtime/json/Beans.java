package hearth.runtime.json;

import java.lang.reflect.AccessibleObject;
import java.lang.reflect.Field;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.lang.reflect.RecordComponent;
import java.lang.reflect.Type;
import java.math.BigDecimal;
import java.net.URI;
import java.net.URL;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import java.util.UUID;
import java.util.concurrent.ConcurrentHashMap;
import java.util.regex.Pattern;

/** The properties of one class: of its getters, setters and public fields, in the order of its fields, then of its methods. */
final class Beans {
    private static final Map<Class<?>, Beans> KNOWN = new ConcurrentHashMap<>();
    /** AWS names the members of its events as the services do, which only the case and hyphens tell from the properties. */
    private static final List<String> EVENT_PACKAGES = List.of(
            "com.amazonaws.services.lambda.runtime.events.", "com.amazonaws.services.s3.event.", "com.amazonaws.services.dynamodbv2.model.");

    private final Map<String, Property> byName;
    private final Map<String, Property> byLooseName;
    private final List<Property> readable;
    private final boolean isEvent;

    private Beans(Class<?> type, Map<String, Property> properties) {
        isEvent = isEvent(type.getName());
        byName = properties;
        byLooseName = new TreeMap<>(String.CASE_INSENSITIVE_ORDER);
        // Where there is no setter, the field will do.
        readable = new ArrayList<>();
        for (Property property : properties.values()) {
            if (property.setter != null || property.field != null) {
                byLooseName.put(property.name, property);
            }
            if (property.isReadable()) {
                readable.add(property);
            }
        }
    }

    private static boolean isEvent(String name) {
        for (String events : EVENT_PACKAGES) {
            if (name.startsWith(events)) {
                return true;
            }
        }
        return false;
    }

    static Beans of(Class<?> type) {
        Beans known = KNOWN.get(type);
        if (known == null) {
            known = new Beans(type, properties(type));
            KNOWN.put(type, known);
        }
        return known;
    }

    /** Whether a type of the JDK is written as the text that it is made from. */
    static boolean isText(Class<?> type) {
        return type == UUID.class || type == URI.class || type == URL.class || type == Locale.class || type == Pattern.class
                || type == BigDecimal.class || type.getName().startsWith("java.time.") || type.getName().equals("org.joda.time.DateTime");
    }

    List<Property> readable() {
        return readable;
    }

    /** The one that a member of this name sets, or null. */
    Property writable(String name) {
        Property property = byName.get(name);
        if (property != null && property.isWritable()) {
            return property;
        }
        return isEvent ? byLooseName.get(name.replace("-", "")) : null;
    }

    boolean isEvent() {
        return isEvent;
    }

    /** One property. */
    static final class Property {
        private final String name;
        private Field field;
        private Method getter;
        private Method setter;

        private Property(String name) {
            this.name = name;
        }

        String name() {
            return name;
        }

        boolean isReadable() {
            return getter != null || field != null && Modifier.isPublic(field.getModifiers());
        }

        boolean isWritable() {
            return setter != null || field != null && Modifier.isPublic(field.getModifiers());
        }

        Type writtenType() {
            return setter != null ? setter.getGenericParameterTypes()[0] : field.getGenericType();
        }

        Object get(Object bean) {
            try {
                return getter != null ? getter.invoke(bean) : field.get(bean);
            } catch (InvocationTargetException thrown) {
                throw new JsonException("getting the property " + name + " of " + bean.getClass().getName(), thrown.getCause());
            } catch (IllegalAccessException forbidden) {
                throw new JsonException("getting the property " + name + " of " + bean.getClass().getName(), forbidden);
            }
        }

        void set(Object bean, Object value) {
            try {
                if (setter != null) {
                    setter.invoke(bean, value);
                } else {
                    field.set(bean, value);
                }
            } catch (InvocationTargetException thrown) {
                throw new JsonException("setting the property " + name + " of " + bean.getClass().getName(), thrown.getCause());
            } catch (IllegalAccessException | IllegalArgumentException unfit) {
                throw new JsonException("setting the property " + name + " of " + bean.getClass().getName(), unfit);
            }
        }
    }

    private static Map<String, Property> properties(Class<?> type) {
        Map<String, Property> properties = new LinkedHashMap<>();
        List<Class<?>> line = new ArrayList<>();
        for (Class<?> each = type; each != null && each != Object.class; each = each.getSuperclass()) {
            line.add(each);
        }
        Collections.reverse(line);
        for (Class<?> each : line) {
            for (Field field : each.getDeclaredFields()) {
                int modifiers = field.getModifiers();
                if (!Modifier.isStatic(modifiers) && !Modifier.isTransient(modifiers) && !field.isSynthetic()) {
                    at(properties, field.getName()).field = reachable(field);
                }
            }
        }
        if (type.isRecord()) {
            for (RecordComponent component : type.getRecordComponents()) {
                at(properties, component.getName()).getter = reachable(component.getAccessor());
            }
        }
        Collections.reverse(line);
        for (Class<?> each : line) {
            for (Method method : each.getDeclaredMethods()) {
                accessor(properties, method);
            }
        }
        for (Method method : type.getMethods()) {
            if (method.getDeclaringClass().isInterface()) {
                accessor(properties, method);
            }
        }
        for (Iterator<Property> each = properties.values().iterator(); each.hasNext(); ) {
            Property property = each.next();
            if (!property.isReadable() && !property.isWritable()) {
                each.remove();
            }
        }
        return properties;
    }

    private static void accessor(Map<String, Property> properties, Method method) {
        if (Modifier.isStatic(method.getModifiers()) || method.isSynthetic() || method.isBridge()) {
            return;
        }
        String name = method.getName();
        Class<?> result = method.getReturnType();
        if (method.getParameterCount() == 1 && name.length() > 3 && name.startsWith("set")) {
            Property property = at(properties, decapitalised(name.substring(3)));
            if (property.setter == null || preferred(method, property)) {
                property.setter = reachable(method);
            }
        } else if (method.getParameterCount() == 0 && Modifier.isPublic(method.getModifiers()) && result != void.class) {
            boolean is = name.length() > 2 && name.startsWith("is") && (result == boolean.class || result == Boolean.class);
            boolean get = name.length() > 3 && name.startsWith("get") && !name.equals("getClass");
            if (is || get) {
                Property property = at(properties, decapitalised(name.substring(is ? 2 : 3)));
                property.getter = property.getter == null ? reachable(method) : property.getter;
            }
        }
    }

    /** Of two setters the one that takes what the field is, or else always the same, in whatever order a JVM gives them. */
    private static boolean preferred(Method setter, Property property) {
        Class<?> field = property.field == null ? null : property.field.getType();
        Class<?> type = setter.getParameterTypes()[0];
        Class<?> rival = property.setter.getParameterTypes()[0];
        return property.setter.getDeclaringClass() == setter.getDeclaringClass()
                && rival != field
                && (type == field || type.getName().compareTo(rival.getName()) < 0);
    }

    private static Property at(Map<String, Property> properties, String name) {
        Property property = properties.get(name);
        if (property == null) {
            property = new Property(name);
            properties.put(name, property);
        }
        return property;
    }

    /** As the JavaBeans specification has it: `URL` stays, `Name` becomes `name`. */
    private static String decapitalised(String name) {
        boolean acronym = name.length() > 1 && Character.isUpperCase(name.charAt(0)) && Character.isUpperCase(name.charAt(1));
        return acronym ? name : Character.toLowerCase(name.charAt(0)) + name.substring(1);
    }

    private static <T extends AccessibleObject> T reachable(T member) {
        // What the JDK keeps to itself stays there: using it then fails, and says so.
        member.trySetAccessible();
        return member;
    }
}
