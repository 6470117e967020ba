package hearth.runtime;

import java.io.FileInputStream;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;

/**
 * A stem cell: a JVM that has started and knows of no function. It says by one named pipe that it waits, and hears by another
 * that it waits no more. Meanwhile its directory and its environment become the function's, from outside.
 *
 * <p>So nothing here may ask {@link System#getenv()} before: Java reads the environment once. It refuses to go on with
 * environment that has no function.
 */
final class Cell {
    private static final String STEM = "_HEARTH_STEM=";

    private Cell() {}

    /** Returns once this process is a function's: at once, unless it is a stem cell. */
    static void becomeFunction() throws IOException, InterruptedException {
        String directory = directory();
        if (directory == null) {
            return;
        }
        Rehearsal.prepare();
        if (!await(directory)) {
            // Nobody wants us.
            Runtime.getRuntime().halt(0);
        }
        if (System.getenv("_HANDLER") == null) {
            throw new IllegalStateException("this JVM looked at its environment before it was a function's");
        }
    }

    /** Where the pipes are; null in a process that has been its function's from the start. */
    private static String directory() throws IOException {
        try (InputStream environment = new FileInputStream("/proc/self/environ")) {
            for (String entry : new String(environment.readAllBytes(), StandardCharsets.ISO_8859_1).split("\0")) {
                if (entry.startsWith(STEM)) {
                    return entry.substring(STEM.length());
                }
            }
        }
        return null;
    }

    /** Whether we were told to go on. By then the pipes are gone. */
    private static boolean await(String directory) throws IOException {
        try (InputStream order = new FileInputStream(directory + "/order")) {
            try (OutputStream ready = new FileOutputStream(directory + "/ready")) {
                ready.write('w');
            }
            return order.read() >= 0;
        }
    }
}
