package hearth.runtime;

import java.io.FileInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;

/**
 * A stem cell: a JVM that has started and knows of no function. It says on its line that it waits, and waits for the line's
 * end. Meanwhile its directory and its environment become the function's, from outside.
 *
 * <p>So nothing here may ask {@link System#getenv()} before: Java reads the environment once. It refuses to go on with
 * environment that has no function.
 */
final class Cell {
    private static final String LINE = "_HEARTH_STEM=";

    private Cell() {}

    /** Returns once this process is a function's: at once, unless it is a stem cell. */
    static void becomeFunction() throws IOException {
        String line = line();
        if (line == null) {
            return;
        }
        Rehearsal.prepare();
        if (!await(line)) {
            // Nobody wants us.
            Runtime.getRuntime().halt(0);
        }
        if (System.getenv("_HANDLER") == null) {
            throw new IllegalStateException("this JVM looked at its environment before it was a function's");
        }
    }

    /** Where the line is; null in a process that has been its function's from the start. */
    private static String line() throws IOException {
        try (InputStream environment = new FileInputStream("/proc/self/environ")) {
            for (String entry : new String(environment.readAllBytes(), StandardCharsets.ISO_8859_1).split("\0")) {
                if (entry.startsWith(LINE)) {
                    return entry.substring(LINE.length());
                }
            }
        }
        return null;
    }

    /** Whether anything was told until the line's end. It is the environment, which we find where it always is. */
    private static boolean await(String path) throws IOException {
        try (SocketChannel line = SocketChannel.open(UnixDomainSocketAddress.of(path))) {
            line.write(ByteBuffer.wrap(new byte[] {'w'}));
            ByteBuffer piece = ByteBuffer.allocate(16 * 1024);
            boolean isTold = false;
            while (line.read(piece) >= 0) {
                isTold = true;
                piece.clear();
            }
            return isTold;
        }
    }
}
