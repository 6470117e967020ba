package hearth.runtime.json;

import java.lang.reflect.Array;
import java.lang.reflect.GenericArrayType;
import java.lang.reflect.Modifier;
import java.lang.reflect.ParameterizedType;
import java.lang.reflect.Type;
import java.lang.reflect.TypeVariable;
import java.lang.reflect.WildcardType;
import java.math.BigDecimal;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Deque;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.LinkedList;
import java.util.List;
import java.util.Map;
import java.util.NavigableMap;
import java.util.NavigableSet;
import java.util.Optional;
import java.util.Queue;
import java.util.Set;
import java.util.SortedMap;
import java.util.SortedSet;
import java.util.TreeMap;
import java.util.TreeSet;

/**
 * Makes values of Java's types from what {@link JsonReader} gives.
 *
 * <p>As lenient as AWS's runtime: members that a bean does not know are passed over, one value is a list of one and a list of
 * one a value, null is a primitive's zero, and an empty text is no bean.
 */
public final class Binder {
    private Binder() {}

    /** The value as one of a type. */
    public static Object bind(Object json, Type type) {
        if (type instanceof Class<?> plain) {
            return bind(json, plain, new Type[0]);
        }
        if (type instanceof ParameterizedType parameterized) {
            return bind(json, (Class<?>) parameterized.getRawType(), parameterized.getActualTypeArguments());
        }
        if (type instanceof GenericArrayType array) {
            return array(json, array.getGenericComponentType());
        }
        if (type instanceof WildcardType wildcard) {
            return bind(json, wildcard.getUpperBounds()[0]);
        }
        return bind(json, ((TypeVariable<?>) type).getBounds()[0]);
    }

    private static Object bind(Object json, Class<?> type, Type[] arguments) {
        if (type == Object.class) {
            return untyped(json);
        }
        if (type == Optional.class) {
            return Optional.ofNullable(json == null ? null : bind(json, argument(arguments, 0)));
        }
        if (Scalars.isScalar(type)) {
            return Scalars.bind(single(json), type);
        }
        if (json == null || "".equals(json)) {
            return null;
        }
        if (type.isArray()) {
            return array(json, type.getComponentType());
        }
        if (Map.class.isAssignableFrom(type)) {
            return map(json, type, arguments);
        }
        if (Collection.class.isAssignableFrom(type) || type == Iterable.class) {
            return collection(json, type, arguments);
        }
        return bean(json, type);
    }

    /** As the code of a handler of `Object` or `Map` sees it: fractions are doubles. */
    private static Object untyped(Object json) {
        if (json instanceof BigDecimal fraction) {
            return fraction.doubleValue();
        }
        if (json instanceof Map<?, ?> object) {
            Map<Object, Object> map = new LinkedHashMap<>();
            for (Map.Entry<?, ?> member : object.entrySet()) {
                map.put(member.getKey(), untyped(member.getValue()));
            }
            return map;
        }
        if (json instanceof List<?> elements) {
            List<Object> list = new ArrayList<>(elements.size());
            for (Object element : elements) {
                list.add(untyped(element));
            }
            return list;
        }
        return json;
    }

    private static Object single(Object json) {
        return json instanceof List<?> list && list.size() == 1 ? list.get(0) : json;
    }

    private static Type argument(Type[] arguments, int index) {
        return index < arguments.length ? arguments[index] : Object.class;
    }

    private static List<?> elements(Object json) {
        return json instanceof List<?> list ? list : List.of(json);
    }

    private static Object array(Object json, Type component) {
        if (json == null) {
            return null;
        }
        List<?> elements = elements(json);
        Class<?> raw = component instanceof Class<?> plain
                ? plain
                : component instanceof ParameterizedType parameterized ? (Class<?>) parameterized.getRawType() : Object.class;
        Object array = Array.newInstance(raw, elements.size());
        for (int i = 0; i < elements.size(); i++) {
            Array.set(array, i, bind(elements.get(i), component));
        }
        return array;
    }

    @SuppressWarnings("unchecked")
    private static Object map(Object json, Class<?> type, Type[] arguments) {
        if (json instanceof List<?> list && list.isEmpty()) {
            return null;
        }
        if (!(single(json) instanceof Map<?, ?> object)) {
            throw mismatch(json, type);
        }
        Map<Object, Object> map;
        if (type == SortedMap.class || type == NavigableMap.class) {
            map = new TreeMap<>();
        } else {
            map = (Map<Object, Object>) (type.isInterface() || type == HashMap.class ? new LinkedHashMap<>() : Instances.make(type));
        }
        Type keyType = argument(arguments, 0);
        Type valueType = argument(arguments, 1);
        for (Map.Entry<?, ?> member : object.entrySet()) {
            map.put(bind(member.getKey(), keyType), bind(member.getValue(), valueType));
        }
        return map;
    }

    @SuppressWarnings("unchecked")
    private static Object collection(Object json, Class<?> type, Type[] arguments) {
        Collection<Object> collection;
        if (type == Set.class) {
            collection = new LinkedHashSet<>();
        } else if (type == SortedSet.class || type == NavigableSet.class) {
            collection = new TreeSet<>();
        } else if (type == Queue.class) {
            collection = new LinkedList<>();
        } else if (type == Deque.class) {
            collection = new ArrayDeque<>();
        } else {
            collection = (Collection<Object>) (type.isInterface() || Modifier.isAbstract(type.getModifiers())
                    ? new ArrayList<>()
                    : Instances.make(type));
        }
        Type elementType = argument(arguments, 0);
        for (Object element : elements(json)) {
            collection.add(bind(element, elementType));
        }
        return collection;
    }

    private static Object bean(Object json, Class<?> type) {
        Object value = single(json);
        if (value instanceof List<?> list && list.isEmpty()) {
            return null;
        }
        if (!(value instanceof Map<?, ?> object)) {
            Object parsed = value instanceof String text ? Instances.parse(text, type) : null;
            if (parsed == null) {
                throw mismatch(json, type);
            }
            return parsed;
        }
        if (type.isInterface() || Modifier.isAbstract(type.getModifiers())) {
            throw new JsonException("Cannot construct instance of `" + type.getName()
                    + "` (no Creators, like default constructor, exist): abstract types either need to be mapped to concrete"
                    + " types, have custom deserializer, or contain additional type information");
        }
        if (type.isRecord()) {
            return Instances.ofRecord(object, type);
        }
        return Instances.ofBean(object, type);
    }

    static JsonException mismatch(Object json, Class<?> type) {
        String kind = json instanceof Map
                ? "Object value (token `JsonToken.START_OBJECT`)"
                : json instanceof List
                        ? "Array value (token `JsonToken.START_ARRAY`)"
                        : json instanceof String text ? "String \"" + text + "\"" : String.valueOf(json);
        return new JsonException("Cannot deserialize value of type `" + type.getTypeName() + "` from " + kind);
    }
}
