import java.net.InetSocketAddress;
import java.util.Arrays;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import net.spy.memcached.BinaryConnectionFactory;
import net.spy.memcached.CASResponse;
import net.spy.memcached.CASValue;
import net.spy.memcached.ConnectionFactory;
import net.spy.memcached.DefaultConnectionFactory;
import net.spy.memcached.MemcachedClient;

/** What an application does through spymemcached. Usage: RoundTrip PORT [binary]. The exit status is 0 when every answer was right. */
public final class RoundTrip {
    private static final int PATIENCE_MS = 20_000;
    private final MemcachedClient client;

    private RoundTrip(MemcachedClient client) {
        this.client = client;
    }

    private static void same(Object got, Object wanted, String what) {
        if (!Objects.equals(got, wanted)) {
            throw new AssertionError(what + ": wanted " + wanted + ", got " + got);
        }
    }

    private static <T> T of(Future<T> future) throws Exception {
        return future.get(PATIENCE_MS, TimeUnit.MILLISECONDS);
    }

    private void values() throws Exception {
        byte[] bytes = new byte[900_000];
        for (int i = 0; i < bytes.length; i++) {
            bytes[i] = (byte) (i * 31);
        }
        same(of(client.set("bytes", 0, bytes)), true, "set of bytes");
        same(Arrays.equals((byte[]) client.get("bytes"), bytes), true, "get of bytes");
        // The client keeps the type in the flags.
        List<Object> values = List.of("hello", "", "grüß 🔑", 42, -7L, true, 2.5, List.of("a", 1));
        for (Object value : values) {
            same(of(client.set("value", 0, value)), true, "set");
            same(client.get("value"), value, "get");
        }
        same(of(client.set("schön", 0, "x")), true, "set of a key in unicode");
        same(client.get("schön"), "x", "get of a key in unicode");
        same(client.get("nothing"), null, "get of nothing");
    }

    private void conditions() throws Exception {
        same(of(client.replace("co", 0, "a")), false, "replace of nothing");
        same(of(client.append("co", "a")), false, "append to nothing");
        same(of(client.add("co", 0, "m")), true, "add");
        same(of(client.add("co", 0, "n")), false, "add again");
        same(of(client.append("co", "z")), true, "append");
        same(of(client.prepend("co", "a")), true, "prepend");
        same(client.get("co"), "amz", "get after append");
        same(of(client.delete("co")), true, "delete");
        same(of(client.delete("co")), false, "delete again");
        same(of(client.set("cas", 0, "a")), true, "set");
        CASValue<Object> found = client.gets("cas");
        same(found.getValue(), "a", "gets");
        same(client.cas("cas", found.getCas(), "b"), CASResponse.OK, "cas");
        same(client.cas("cas", found.getCas(), "c"), CASResponse.EXISTS, "cas with an old number");
        same(client.cas("cas-none", found.getCas(), "c"), CASResponse.NOT_FOUND, "cas of nothing");
        same(client.get("cas"), "b", "get after cas");
    }

    private void counters() throws Exception {
        same(client.incr("n", 1), -1L, "incr of nothing");
        same(client.incr("n", 1, 10), 10L, "incr with a first value");
        same(client.incr("n", 5), 15L, "incr");
        same(client.decr("n", 16), 0L, "decr below 0");
        same(client.incr("n", 4_294_967_296L), 4_294_967_296L, "incr over 32 bits");
    }

    private void many() throws Exception {
        Map<String, Object> items = new HashMap<>();
        Future<Boolean> last = null;
        for (int i = 0; i < 1000; i++) {
            items.put("many-" + i, "value " + i);
            last = client.set("many-" + i, 0, "value " + i);
        }
        same(of(last), true, "the last of many sets");
        same(client.getBulk(items.keySet()), items, "getBulk");
        same(client.getBulk(Collections.singleton("nothing")), Map.of(), "getBulk of nothing");
    }

    private void expiry() throws Exception {
        same(of(client.set("short", 1, "x")), true, "set for a second");
        same(of(client.set("long", 1000, "x")), true, "set for long");
        same(of(client.set("touched", 1000, "x")), true, "set for long");
        same(of(client.touch("touched", 1)), true, "touch");
        same(of(client.touch("nothing", 1)), false, "touch of nothing");
        long end = System.currentTimeMillis() + PATIENCE_MS;
        while (!client.getBulk("short", "touched").isEmpty()) {
            same(System.currentTimeMillis() < end, true, "expiry");
            Thread.sleep(50);
        }
        same(client.get("long"), "x", "get of what lives on");
    }

    /** The server goes away and comes back with what it said it had stored. */
    private void restart() throws Exception {
        same(of(client.set("survivor", 0, "still here")), true, "set before the restart");
        System.out.println("restart");
        System.in.read();
        long end = System.currentTimeMillis() + PATIENCE_MS;
        Object found = null;
        while (!"still here".equals(found)) {
            same(System.currentTimeMillis() < end, true, "get after the restart");
            try {
                found = client.get("survivor");
            } catch (RuntimeException disconnected) {
                Thread.sleep(20);
            }
        }
    }

    private void server() throws Exception {
        same(client.getVersions().size(), 1, "versions");
        same(client.getStats().values().iterator().next().containsKey("cmd_set"), true, "stats");
        same(of(client.flush()), true, "flush");
        same(client.get("long"), null, "get after flush");
    }

    public static void main(String[] args) throws Exception {
        boolean binary = args.length > 1 && args[1].equals("binary");
        ConnectionFactory factory = binary ? new BinaryConnectionFactory() : new DefaultConnectionFactory();
        InetSocketAddress address = new InetSocketAddress("127.0.0.1", Integer.parseInt(args[0]));
        MemcachedClient client = new MemcachedClient(factory, List.of(address));
        RoundTrip day = new RoundTrip(client);
        day.values();
        day.conditions();
        day.counters();
        day.many();
        day.expiry();
        day.restart();
        day.server();
        client.shutdown();
    }
}
