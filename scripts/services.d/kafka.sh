# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2034,SC2154
#
# Apache Kafka in KRaft mode, one node that is broker and controller. Its jars come from Maven, once per user.

kafka_version=4.1.0
kafka_cache=${XDG_CACHE_HOME:-${HOME:-$(getent passwd "$EUID" | cut -d: -f6)}/.cache}/resilience/kafka-$kafka_version

kafka_home() { echo "$services/kafka"; }
kafka_ports() { printf '%s\n' kafka_port kafka_controller_port; }
kafka_address() { echo "127.0.0.1:$(state_get kafka_port)"; }

# Prints a Java of version 17 or newer.
kafka_java() {
    local java version
    for java in "${JAVA_HOME:+$JAVA_HOME/bin/java}" "$(command -v java)" /usr/lib/jvm/*/bin/java; do
        [[ -x $java ]] || continue
        version=$("$java" -XshowSettings:properties -version 2>&1 | sed -n 's/.*java\.specification\.version = //p')
        if [[ $version =~ ^[0-9]+$ ]] && ((version >= 17)); then
            printf '%s\n' "$java"
            return
        fi
    done
}

# Fetches the jars into a folder beside the cache and renames it: a reader sees all of them or none.
kafka_fetch() {
    local fresh parent
    local -a repository=()
    [[ ! -e $kafka_cache/kafka_2.13-$kafka_version.jar ]] || return 0
    command -v mvn >/dev/null || fail "maven is missing: run scripts/bootstrap"
    parent=$(dirname "$kafka_cache")
    mkdir -p "$parent"
    find "$parent" -maxdepth 1 -name "kafka-$kafka_version.new.*" -mmin +60 -exec rm -rf {} +
    fresh=$(mktemp -d "$kafka_cache.new.XXXXXX")
    cat >"$fresh/pom.xml" <<POM
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>resilience</groupId>
  <artifactId>kafka-for-tests</artifactId>
  <version>1</version>
  <packaging>pom</packaging>
  <dependencies>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>$kafka_version</version></dependency>
    <dependency><groupId>org.slf4j</groupId><artifactId>slf4j-simple</artifactId><version>1.7.36</version></dependency>
  </dependencies>
</project>
POM
    say "kafka: fetching Apache Kafka $kafka_version with Maven into $kafka_cache"
    # Java takes the home of the password file; a service user's does not exist.
    if [[ ! -w $(getent passwd "$EUID" | cut -d: -f6) ]]; then repository=("-Dmaven.repo.local=$parent/maven"); fi
    (cd "$services/kafka" && mvn -B -q -Dstyle.color=never "${repository[@]}" -f "$fresh/pom.xml" \
        dependency:copy-dependencies -DoutputDirectory="$fresh") \
        >"$services/log/maven.log" 2>&1 </dev/null 9>&- || {
        rm -rf "$fresh"
        tail -n 20 "$services/log/maven.log" >&2
        fail "Maven could not fetch Apache Kafka"
    }
    rm -f "$fresh/pom.xml"
    # Another checkout may have been faster; its copy is as good.
    mv -T "$fresh" "$kafka_cache" 2>/dev/null || rm -rf "$fresh"
    [[ -e $kafka_cache/kafka_2.13-$kafka_version.jar ]] || fail "Maven brought no Kafka into $kafka_cache"
}

kafka_prepare() {
    local java
    java=$(kafka_java)
    [[ $java ]] || fail "Java 17 or newer is missing: run scripts/bootstrap"
    mkdir -p "$services/kafka"
    kafka_fetch
    # After a kill, the broker may register again only when its old session is over: hence a short one.
    cat >"$services/kafka/server.properties" <<CONF
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:$(state_get kafka_controller_port)
controller.listener.names=CONTROLLER
listeners=PLAINTEXT://127.0.0.1:$(state_get kafka_port),CONTROLLER://127.0.0.1:$(state_get kafka_controller_port)
advertised.listeners=PLAINTEXT://127.0.0.1:$(state_get kafka_port)
inter.broker.listener.name=PLAINTEXT
log.dirs=data
num.partitions=4
auto.create.topics.enable=true
group.initial.rebalance.delay.ms=0
broker.heartbeat.interval.ms=1000
broker.session.timeout.ms=5000
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
share.coordinator.state.topic.num.partitions=4
CONF
    [[ ! -e $services/kafka/formatted ]] || return 0
    rm -rf "$services/kafka/data"
    (cd "$services/kafka" && "$java" -Xmx128m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -cp "$kafka_cache/*" \
        kafka.tools.StorageTool format -t "$(kafka_cluster_id)" -c server.properties) \
        >"$services/log/kafka-format.log" 2>&1 </dev/null 9>&- || {
        tail -n 20 "$services/log/kafka-format.log" >&2
        fail "formatting Kafka's storage failed"
    }
    : >"$services/kafka/formatted"
}

# Sixteen random bytes in URL-safe base64; a leading dash would be read as an option.
kafka_cluster_id() { printf 'r%s\n' "$(head -c 16 /dev/urandom | base64 | tr '+/' '-_' | cut -c 2-22)"; }

kafka_command() {
    command=(
        "$(kafka_java)" -Xmx512m -XX:+UseSerialGC -Dorg.slf4j.simpleLogger.showDateTime=true
        "-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd'T'HH:mm:ss.SSS" -cp "$kafka_cache/*" kafka.Kafka server.properties
    )
}

kafka_ready() {
    if command -v kcat >/dev/null; then
        timeout 5 kcat -L -m 3 -b "$(kafka_address)" >/dev/null 2>&1
    else
        grep -q 'Kafka Server started' "$(log_of kafka)" 2>/dev/null
    fi
}

kafka_env() {
    export_line KAFKA_BROKERS "$(kafka_address)"
    export_line RESILIENCE_TEST_KAFKA_JARS "$kafka_cache"
}
