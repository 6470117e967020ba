package hearth.runtime;

import java.io.ByteArrayInputStream;
import java.io.DataInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.net.URL;
import java.nio.charset.StandardCharsets;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.HashSet;
import java.util.List;
import java.util.Set;

/**
 * The classes of libraries that the function's class refers to, the nearest first: loaded and linked as the function would load
 * and link them, so that the JVM can keep them in an archive. What only reflection leads to is not found, but for service providers.
 *
 * <p>It refuses to initialise a class: no code of the function's is run. And it links none of the function's own, which are in no
 * archive for that: out of one, reflection would give their methods in another order.
 *
 * @see <a href="https://docs.oracle.com/javase/specs/jvms/se17/html/jvms-4.html#jvms-4.4">the constant pool</a>
 */
final class ReferencedClasses {
    /** Class files, and what the JVM keeps for each class beside: the archive takes some half more. The others are loaded as ever. */
    private static final long BYTES_MAX = 40L << 20;
    private static final int BYTES_BESIDE = 600;

    private final FunctionClassLoader loader;
    /** How the names of the function's own classes begin: with as much of its package as an organisation has, such as `com.example.`. */
    private final String own;
    private final Set<String> known = new HashSet<>();
    private final Deque<String> open = new ArrayDeque<>();

    private ReferencedClasses(String root, FunctionClassLoader loader) {
        this.loader = loader;
        int second = root.indexOf('.', root.indexOf('.') + 1);
        own = root.substring(0, (second < 0 ? root.lastIndexOf('.') : second) + 1);
    }

    /** How many there are: of those that the class of this name refers to. */
    static int link(String root, FunctionClassLoader loader) {
        ReferencedClasses classes = new ReferencedClasses(root, loader);
        classes.meet(root);
        int linked = 0;
        for (long bytes = 0; bytes < BYTES_MAX && !classes.open.isEmpty(); ) {
            String name = classes.open.poll();
            try {
                Class<?> type = Class.forName(name, false, loader);
                if (type.getClassLoader() != loader) {
                    continue;
                }
                byte[] file = classes.read(name.replace('.', '/') + ".class");
                bytes += file.length + BYTES_BESIDE;
                classes.meetReferences(file);
                classes.meetProviders(name);
                if (!classes.isOwn(name)) {
                    // To look at its members the JVM links a class, and does not initialise it.
                    type.getDeclaredConstructors();
                    linked++;
                }
            } catch (IOException | ClassNotFoundException | LinkageError | RuntimeException broken) {
                // Much is referred to that is never used, and not packaged either.
            }
        }
        return linked;
    }

    private boolean isOwn(String name) {
        return own.isEmpty() ? name.indexOf('.') < 0 : name.startsWith(own);
    }

    private void meet(String name) {
        if (known.add(name)) {
            open.add(name);
        }
    }

    private byte[] read(String path) throws IOException {
        URL place = loader.findResource(path);
        if (place == null) {
            return new byte[0];
        }
        try (InputStream file = place.openStream()) {
            return file.readAllBytes();
        }
    }

    private void meetProviders(String service) throws IOException {
        String list = new String(read("META-INF/services/" + service), StandardCharsets.UTF_8);
        for (String line : list.split("\\R")) {
            String name = line.replaceFirst("#.*", "").strip();
            if (!name.isEmpty()) {
                meet(name);
            }
        }
    }

    private void meetReferences(byte[] classFile) throws IOException {
        DataInputStream file = new DataInputStream(new ByteArrayInputStream(classFile));
        // Magic and versions.
        file.readLong();
        String[] texts = new String[file.readUnsignedShort()];
        List<Integer> references = new ArrayList<>();
        for (int index = 1; index < texts.length; index++) {
            switch (file.readUnsignedByte()) {
                case 1 -> texts[index] = file.readUTF();
                case 7 -> references.add(file.readUnsignedShort());
                case 8, 16, 19, 20 -> file.readUnsignedShort();
                case 15 -> file.skipBytes(3);
                case 3, 4, 9, 10, 11, 12, 17, 18 -> file.readInt();
                case 5, 6 -> {
                    file.readLong();
                    index++;
                }
                default -> throw new IOException("a constant of no known kind");
            }
        }
        for (int reference : references) {
            String name = texts[reference];
            if (name.startsWith("[")) {
                // An array: of objects, or of what has no class file.
                int element = name.indexOf('L');
                name = element < 0 ? "" : name.substring(element + 1, name.length() - 1);
            }
            if (!name.isEmpty()) {
                meet(name.replace('/', '.'));
            }
        }
    }
}
