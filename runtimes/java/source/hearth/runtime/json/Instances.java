package hearth.runtime.json;

import java.lang.reflect.Constructor;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.lang.reflect.RecordComponent;
import java.lang.reflect.Type;
import java.util.Date;
import java.util.Map;
import sun.reflect.ReflectionFactory;

/** Makes objects of the function's classes, and fills them. */
final class Instances {
    private Instances() {}

    /** A new one, of the constructor without parameters. */
    static Object make(Class<?> type) {
        try {
            Constructor<?> constructor = type.getDeclaredConstructor();
            constructor.trySetAccessible();
            return constructor.newInstance();
        } catch (NoSuchMethodException none) {
            throw new JsonException("Cannot construct instance of `" + type.getName()
                    + "` (no Creators, like default constructor, exist): cannot deserialize from Object value (no delegate- or"
                    + " property-based Creator)");
        } catch (InvocationTargetException thrown) {
            throw new JsonException("Cannot construct instance of `" + type.getName() + "`", thrown.getCause());
        } catch (ReflectiveOperationException forbidden) {
            throw new JsonException("Cannot construct instance of `" + type.getName() + "`", forbidden);
        }
    }

    static Object ofBean(Map<?, ?> members, Class<?> type) {
        Beans beans = Beans.of(type);
        Object bean = beans.isEvent() ? makeEvent(type) : make(type);
        for (Map.Entry<?, ?> member : members.entrySet()) {
            Beans.Property property = beans.writable((String) member.getKey());
            if (property != null) {
                Object value = member.getValue();
                Type wanted = property.writtenType();
                boolean isMoment = beans.isEvent() && wanted == Date.class && value instanceof Number;
                property.set(bean, isMoment ? Scalars.dateOfSeconds((Number) value) : Binder.bind(value, wanted));
            }
        }
        return bean;
    }

    /** Some of AWS's events have only constructors whose parameters have lost their names, and no setters. */
    private static Object makeEvent(Class<?> type) {
        for (Constructor<?> constructor : type.getDeclaredConstructors()) {
            if (constructor.getParameterCount() == 0) {
                return make(type);
            }
        }
        try {
            Constructor<?> object = Object.class.getDeclaredConstructor();
            return ReflectionFactory.getReflectionFactory().newConstructorForSerialization(type, object).newInstance();
        } catch (ReflectiveOperationException forbidden) {
            throw new JsonException("Cannot construct instance of `" + type.getName() + "`", forbidden);
        }
    }

    static Object ofRecord(Map<?, ?> members, Class<?> type) {
        RecordComponent[] components = type.getRecordComponents();
        Class<?>[] types = new Class<?>[components.length];
        Object[] values = new Object[components.length];
        for (int i = 0; i < components.length; i++) {
            types[i] = components[i].getType();
            values[i] = Binder.bind(members.get(components[i].getName()), components[i].getGenericType());
        }
        try {
            Constructor<?> constructor = type.getDeclaredConstructor(types);
            constructor.trySetAccessible();
            return constructor.newInstance(values);
        } catch (InvocationTargetException thrown) {
            throw new JsonException("Cannot construct instance of `" + type.getName() + "`", thrown.getCause());
        } catch (ReflectiveOperationException forbidden) {
            throw new JsonException("Cannot construct instance of `" + type.getName() + "`", forbidden);
        }
    }

    /** Of a type that is made from text: by its public static `parse`, as dates have; or null. */
    static Object parse(String text, Class<?> type) {
        for (Class<?> parameter : new Class<?>[] {CharSequence.class, String.class}) {
            try {
                Method parse = type.getMethod("parse", parameter);
                if (Modifier.isStatic(parse.getModifiers()) && type.isAssignableFrom(parse.getReturnType())) {
                    return parse.invoke(null, text);
                }
            } catch (NoSuchMethodException none) {
                // The other parameter, or no such type.
            } catch (InvocationTargetException thrown) {
                throw new JsonException("Cannot deserialize value of type `" + type.getName() + "` from String \"" + text + "\"", thrown.getCause());
            } catch (IllegalAccessException forbidden) {
                return null;
            }
        }
        return null;
    }
}
