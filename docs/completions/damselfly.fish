# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_damselfly_global_optspecs
    string join \n h/help v/version check-config test bind= port= unixsocket= unixsocketperm= tcp-backlog= timeout= tcp-keepalive= tls-port= tls-cert-file= tls-key-file= tls-ca-cert-file= tls-auth-clients= tls-protocols= admin-port= admin-bind= admin-hosts= admin-read-only= protected-mode= requirepass= aclfile= acllog-max-len= acl-pubsub-default= enable-debug-command= rename-command= disable-commands= cluster-enabled= cluster-mode= cluster-announce-ip= cluster-announce-port= cluster-announce-tls-port= databases= dir= dbfilename= save= snapshot-cron= stop-writes-on-bgsave-error= appendonly= appendfsync= auto-aof-rewrite-percentage= auto-aof-rewrite-min-size= io-threads= shards= hz= seed= loglevel= logfile= log-format= slowlog-log-slower-than= slowlog-max-len= latency-monitor-threshold= latency-tracking= latency-tracking-info-percentiles= maxclients= proto-max-bulk-len= client-query-buffer-limit= client-output-buffer-limit= maxmemory-clients= active-expire-effort= maxmemory= maxmemory-policy= maxmemory-samples= maxmemory-eviction-tenacity= cache-mode= lazyfree-lazy-eviction= lazyfree-lazy-expire= lazyfree-lazy-server-del= lazyfree-lazy-user-del= lazyfree-lazy-user-flush= replica-lazy-flush= lfu-log-factor= lfu-decay-time= tracking-table-max-keys= notify-keyspace-events= busy-reply-threshold= list-max-listpack-size= list-compress-depth= hash-max-listpack-entries= hash-max-listpack-value= set-max-intset-entries= set-max-listpack-entries= set-max-listpack-value= zset-max-listpack-entries= zset-max-listpack-value= hll-sparse-max-bytes= stream-node-max-bytes= stream-node-max-entries= activerehashing= always-show-logo= crash-log-enabled= crash-memcheck-enabled= disable-thp= dynamic-hz= io-threads-do-reads= jemalloc-bg-thread= proc-title-template= sanitize-dump-payload= set-proc-title= appendfilename= appenddirname= aof-load-truncated= aof-rewrite-incremental-fsync= aof-timestamp-enabled= aof-use-rdb-preamble= no-appendfsync-on-rewrite= rdb-del-sync-files= rdb-save-incremental-fsync= rdbchecksum= rdbcompression= activedefrag= replicaof= masterauth= masteruser= min-replicas-max-lag= min-replicas-to-write= repl-backlog-size= repl-backlog-ttl= repl-disable-tcp-nodelay= repl-diskless-load= repl-diskless-sync= repl-diskless-sync-delay= repl-diskless-sync-max-replicas= repl-ping-replica-period= repl-timeout= replica-priority= replica-read-only= replica-serve-stale-data= cluster-node-timeout= cluster-require-full-coverage= cluster-config-file= cluster-port= cluster-announce-bus-port= cluster-announce-hostname= cluster-preferred-endpoint-type= cluster-migration-barrier= cluster-allow-replica-migration= cluster-replica-validity-factor= cluster-replica-no-failover= cluster-allow-reads-when-down= cluster-allow-pubsubshard-when-down= cluster-link-sendbuf-limit= tls-session-caching= tls-session-cache-size= tls-session-cache-timeout= tls-prefer-server-ciphers= tls-replication= tls-cluster= enable-protected-configs= enable-module-command= daemonize= pidfile= supervised= syslog-enabled= syslog-facility= syslog-ident= oom-score-adj= oom-score-adj-values= shutdown-timeout= shutdown-on-sigint= shutdown-on-sigterm=
end

function __fish_damselfly_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_damselfly_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_damselfly_using_subcommand
    set -l cmd (__fish_damselfly_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c damselfly -n "__fish_damselfly_needs_command" -l bind -d 'Addresses to listen on; \'*\' is every one, \'-\' before one lets it be absent. [127.0.0.1 -::1]' -r
complete -c damselfly -n "__fish_damselfly_needs_command" -l port -d 'TCP port; 0 for none. [6379]' -r
complete -c damselfly -n "__fish_damselfly_needs_command" -l unixsocket -d 'Path of a Unix socket to listen on as well.' -r
complete -c damselfly -n "__fish_damselfly_needs_command" -l unixsocketperm -d 'Permissions of the Unix socket; 0 leaves them to the umask. [0]' -r
complete -c damselfly -n "__fish_damselfly_needs_command" -l tcp-backlog -d 'Connections that may wait to be accepted. [511]' -r
complete -c damselfly -n "__fish_damselfly_needs_command" -l timeout -d 'Seconds after which an idle client is closed; 0 for never. [0]' -r
complete -c damselfly -n "__fish_damselfly_needs_command" -l tcp-keepalive -d 'Seconds between TCP keepalive probes; 0 for none. [300]' -r
complete -c damselfly -n "__fish_damselfly_needs_command" -l tls-port -d 'Port for TLS; 0 for none. [0]' -r
complete -c damselfly -n "__fish_damselfly_needs_command" -l tls-cert-file -d 'Certificate of the server, PEM.' -r
complete -c damselfly -n "__fish_damselfly_needs_command" -l tls-key-file -d 'Its key, PEM; empty where it stands in tls-cert-file.' -r
complete -c damselfly -n "__fish_damselfly_needs_command" -l tls-ca-cert-file -d 'Certificates that clients\' are checked against, PEM.' -r
complete -c damselfly -n "__fish_damselfly_needs_command" -l tls-auth-clients -d 'Whether clients must show a certificate. no|yes|optional [yes]' -r
complete -c damselfly -n "__fish_damselfly_needs_command" -l tls-protocols -d 'Versions of TLS, as in \'TLSv1.2 TLSv1.3\'; empty for these two.' -r
complete -c damselfly -n "__fish_damselfly_needs_command" -l admin-port -d 'Port of the console (HTTP); 0 for none. [0]' -r
complete -c damselfly -n "__fish_damselfly_needs_command" -l admin-bind -d 'Addresses that the console listens on. [127.0.0.1]' -r
complete -c damselfly -n "__fish_damselfly_needs_command" -l admin-hosts -d 'Names that the console may be reached by without a password, beside addresses and localhost. [""]' -r
complete -c damselfly -n "__fish_damselfly_needs_command" -l admin-read-only -d 'Whether the console changes nothing. [no]' -r
complete -c damselfly -n "__fish_damselfly_needs_command" -l protected-mode -d 'Without a password, refuse clients from other machines. [yes]' -r
complete -c damselfly -n "__fish_damselfly_needs_command" -l requirepass -d 'Password that clients must give; empty for none.' -r
complete -c damselfly -n "__fish_damselfly_needs_command" -l aclfile -d 'File of users; empty for none.' -r
complete -c damselfly -n "__fish_damselfly_needs_command" -l acllog-max-len -d 'Entries of the ACL log. [128]' -r
complete -c damselfly -n "__fish_damselfly_needs_command" -l acl-pubsub-default -d 'Channels of a new user. allchannels|resetchannels [resetchannels]' -r
complete -c damselfly -n "__fish_damselfly_needs_command" -l enable-debug-command -d 'Who may use DEBUG. no|yes|local [local]' -r
complete -c damselfly -n "__fish_damselfly_needs_command" -l rename-command -d 'Another name for a command; an empty one takes it away. May be given several times. []' -r
complete -c damselfly -n "__fish_damselfly_needs_command" -l disable-commands -d 'Commands that clients cannot use. [""]' -r
complete -c damselfly -n "__fish_damselfly_needs_command" -l cluster-enabled -d 'Whether to be a cluster of one node that serves all slots. [no]' -r
complete -c damselfly -n "__fish_damselfly_needs_command" -l cluster-mode -d 'The same by another name: \'emulated\' is \'cluster-enabled yes\'. disabled|emulated [disabled]' -r
complete -c damselfly -n "__fish_damselfly_needs_command" -l cluster-announce-ip -d 'Address that the cluster\'s map names; empty for the one a client has connected to.' -r
complete -c damselfly -n "__fish_damselfly_needs_command" -l cluster-announce-port -d 'Port that the cluster\'s map names; 0 for the one a client has connected to. [0]' -r
complete -c damselfly -n "__fish_damselfly_needs_command" -l cluster-announce-tls-port -d 'The same for clients that came by TLS. [0]' -r
complete -c damselfly -n "__fish_damselfly_needs_command" -l databases -d 'Number of databases. [16]' -r
complete -c damselfly -n "__fish_damselfly_needs_command" -l dir -d 'Working directory. [.]' -r
complete -c damselfly -n "__fish_damselfly_needs_command" -l dbfilename -d 'File of the snapshot; one that ends in .rdb is written in Redis\' format.' -r
complete -c damselfly -n "__fish_damselfly_needs_command" -l save -d 'When to save: so many seconds after a save, if so many changes were made; repeated. Empty for never. [""]' -r
complete -c damselfly -n "__fish_damselfly_needs_command" -l snapshot-cron -d 'When to save, as cron says it, in UTC: minute hour day month weekday. Empty for never.' -r
complete -c damselfly -n "__fish_damselfly_needs_command" -l stop-writes-on-bgsave-error -d 'Refuse writes while saving fails. [yes]' -r
complete -c damselfly -n "__fish_damselfly_needs_command" -l appendonly -d 'Keep a journal of all changes. [no]' -r
complete -c damselfly -n "__fish_damselfly_needs_command" -l appendfsync -d 'When the journal is synced: before a reply leaves, once a second, or when the operating system likes. everysec|always|no [everysec]' -r
complete -c damselfly -n "__fish_damselfly_needs_command" -l auto-aof-rewrite-percentage -d 'By how much the journal may outgrow the snapshot before another one takes its place; 0 for never. [100]' -r
complete -c damselfly -n "__fish_damselfly_needs_command" -l auto-aof-rewrite-min-size -d 'Least bytes of the journal for that. [64mb]' -r
complete -c damselfly -n "__fish_damselfly_needs_command" -l io-threads -d 'Event loops; 0 for one a core. [0]' -r
complete -c damselfly -n "__fish_damselfly_needs_command" -l shards -d 'Shards of the keyspace; 0 for about four a core. [0]' -r
complete -c damselfly -n "__fish_damselfly_needs_command" -l hz -d 'Rounds of background work a second. [10]' -r
complete -c damselfly -n "__fish_damselfly_needs_command" -l seed -d 'Seed of every random choice; 0 draws one. For tests. [0]' -r
complete -c damselfly -n "__fish_damselfly_needs_command" -l loglevel -d 'How much is logged. debug|verbose|notice|warning|nothing [notice]' -r
complete -c damselfly -n "__fish_damselfly_needs_command" -l logfile -d 'File to log to; empty for standard output.' -r
complete -c damselfly -n "__fish_damselfly_needs_command" -l log-format -d 'Form of a log line. text|json [text]' -r
complete -c damselfly -n "__fish_damselfly_needs_command" -l slowlog-log-slower-than -d 'Microseconds from which a command enters the slow log; -1 for never. [10000]' -r
complete -c damselfly -n "__fish_damselfly_needs_command" -l slowlog-max-len -d 'Entries of the slow log. [128]' -r
complete -c damselfly -n "__fish_damselfly_needs_command" -l latency-monitor-threshold -d 'Milliseconds from which an event enters LATENCY; 0 for never. [0]' -r
complete -c damselfly -n "__fish_damselfly_needs_command" -l latency-tracking -d 'Time every command, for LATENCY HISTOGRAM and INFO latencystats. [no]' -r
complete -c damselfly -n "__fish_damselfly_needs_command" -l latency-tracking-info-percentiles -d 'Percentiles that INFO latencystats shows. [50 99 99.9]' -r
complete -c damselfly -n "__fish_damselfly_needs_command" -l maxclients -d 'Clients connected at once. [10000]' -r
complete -c damselfly -n "__fish_damselfly_needs_command" -l proto-max-bulk-len -d 'Longest argument of a command. [512mb]' -r
complete -c damselfly -n "__fish_damselfly_needs_command" -l client-query-buffer-limit -d 'Longest request of a client. [1gb]' -r
complete -c damselfly -n "__fish_damselfly_needs_command" -l client-output-buffer-limit -d 'How much a client may leave unread before it is closed.' -r
complete -c damselfly -n "__fish_damselfly_needs_command" -l maxmemory-clients -d 'Bytes that requests and replies of all clients may take, or a share of maxmemory; the largest client is closed. 0 for no limit. [0]' -r
complete -c damselfly -n "__fish_damselfly_needs_command" -l active-expire-effort -d 'How hard to look for expired keys. [1]' -r
complete -c damselfly -n "__fish_damselfly_needs_command" -l maxmemory -d 'Bytes that keys and values may take; 0 for no limit. [0]' -r
complete -c damselfly -n "__fish_damselfly_needs_command" -l maxmemory-policy -d 'Which keys go when maxmemory is reached. volatile-lru|volatile-lfu|volatile-random|volatile-ttl|allkeys-lru|allkeys-lfu|allkeys-random|noeviction [noeviction]' -r
complete -c damselfly -n "__fish_damselfly_needs_command" -l maxmemory-samples -d 'Keys drawn to find one that goes. [5]' -r
complete -c damselfly -n "__fish_damselfly_needs_command" -l maxmemory-eviction-tenacity -d 'How long one command may make room: 10 for half a millisecond, 100 for as long as it takes. [10]' -r
complete -c damselfly -n "__fish_damselfly_needs_command" -l cache-mode -d 'Be a cache: where maxmemory-policy says noeviction, the least recently used keys go. [no]' -r
complete -c damselfly -n "__fish_damselfly_needs_command" -l lazyfree-lazy-eviction -d 'Free evicted values in the background. [no]' -r
complete -c damselfly -n "__fish_damselfly_needs_command" -l lazyfree-lazy-expire -d 'Free expired values in the background. [no]' -r
complete -c damselfly -n "__fish_damselfly_needs_command" -l lazyfree-lazy-server-del -d 'Free overwritten values in the background. [no]' -r
complete -c damselfly -n "__fish_damselfly_needs_command" -l lazyfree-lazy-user-del -d 'Let DEL free as UNLINK does. [no]' -r
complete -c damselfly -n "__fish_damselfly_needs_command" -l lazyfree-lazy-user-flush -d 'Let FLUSHALL and FLUSHDB free in the background. [no]' -r
complete -c damselfly -n "__fish_damselfly_needs_command" -l replica-lazy-flush -d 'Let a replica free its old data in the background. [no]' -r
complete -c damselfly -n "__fish_damselfly_needs_command" -l lfu-log-factor -d 'How slowly the access counter grows. [10]' -r
complete -c damselfly -n "__fish_damselfly_needs_command" -l lfu-decay-time -d 'Minutes after which the access counter halves; 0 for never. [1]' -r
complete -c damselfly -n "__fish_damselfly_needs_command" -l tracking-table-max-keys -d 'Keys remembered for clients that track them; 0 for no limit. [1000000]' -r
complete -c damselfly -n "__fish_damselfly_needs_command" -l notify-keyspace-events -d 'Classes of events to publish; empty for none.' -r
complete -c damselfly -n "__fish_damselfly_needs_command" -l busy-reply-threshold -d 'Milliseconds a script may run before other clients are answered BUSY; 0 for no limit. [5000]' -r
complete -c damselfly -n "__fish_damselfly_needs_command" -l list-max-listpack-size -d 'Elements of a list node, or -1 to -5 for 4kb to 64kb. [-2]' -r
complete -c damselfly -n "__fish_damselfly_needs_command" -l list-compress-depth -d 'List nodes at both ends that stay uncompressed; 0 compresses none. [0]' -r
complete -c damselfly -n "__fish_damselfly_needs_command" -l hash-max-listpack-entries -d 'Fields of a compact hash. [512]' -r
complete -c damselfly -n "__fish_damselfly_needs_command" -l hash-max-listpack-value -d 'Longest field or value of a compact hash. [64]' -r
complete -c damselfly -n "__fish_damselfly_needs_command" -l set-max-intset-entries -d 'Members of a compact set of integers. [512]' -r
complete -c damselfly -n "__fish_damselfly_needs_command" -l set-max-listpack-entries -d 'Members of a compact set. [128]' -r
complete -c damselfly -n "__fish_damselfly_needs_command" -l set-max-listpack-value -d 'Longest member of a compact set. [64]' -r
complete -c damselfly -n "__fish_damselfly_needs_command" -l zset-max-listpack-entries -d 'Members of a compact sorted set. [128]' -r
complete -c damselfly -n "__fish_damselfly_needs_command" -l zset-max-listpack-value -d 'Longest member of a compact sorted set. [64]' -r
complete -c damselfly -n "__fish_damselfly_needs_command" -l hll-sparse-max-bytes -d 'Bytes of a sparse HyperLogLog. [3000]' -r
complete -c damselfly -n "__fish_damselfly_needs_command" -l stream-node-max-bytes -d 'Bytes of a stream node; 0 for no limit. [4kb]' -r
complete -c damselfly -n "__fish_damselfly_needs_command" -l stream-node-max-entries -d 'Entries of a stream node; 0 for no limit. [100]' -r
complete -c damselfly -n "__fish_damselfly_needs_command" -l activerehashing -d ' [yes]' -r
complete -c damselfly -n "__fish_damselfly_needs_command" -l always-show-logo -d ' [no]' -r
complete -c damselfly -n "__fish_damselfly_needs_command" -l crash-log-enabled -d ' [yes]' -r
complete -c damselfly -n "__fish_damselfly_needs_command" -l crash-memcheck-enabled -d ' [yes]' -r
complete -c damselfly -n "__fish_damselfly_needs_command" -l disable-thp -d ' [yes]' -r
complete -c damselfly -n "__fish_damselfly_needs_command" -l dynamic-hz -d ' [yes]' -r
complete -c damselfly -n "__fish_damselfly_needs_command" -l io-threads-do-reads -d ' [no]' -r
complete -c damselfly -n "__fish_damselfly_needs_command" -l jemalloc-bg-thread -d ' [yes]' -r
complete -c damselfly -n "__fish_damselfly_needs_command" -l proc-title-template -d '' -r
complete -c damselfly -n "__fish_damselfly_needs_command" -l sanitize-dump-payload -d ' no|yes|clients [no]' -r
complete -c damselfly -n "__fish_damselfly_needs_command" -l set-proc-title -d ' [yes]' -r
complete -c damselfly -n "__fish_damselfly_needs_command" -l appendfilename -d '' -r
complete -c damselfly -n "__fish_damselfly_needs_command" -l appenddirname -d '' -r
complete -c damselfly -n "__fish_damselfly_needs_command" -l aof-load-truncated -d ' [yes]' -r
complete -c damselfly -n "__fish_damselfly_needs_command" -l aof-rewrite-incremental-fsync -d ' [yes]' -r
complete -c damselfly -n "__fish_damselfly_needs_command" -l aof-timestamp-enabled -d ' [no]' -r
complete -c damselfly -n "__fish_damselfly_needs_command" -l aof-use-rdb-preamble -d ' [yes]' -r
complete -c damselfly -n "__fish_damselfly_needs_command" -l no-appendfsync-on-rewrite -d ' [no]' -r
complete -c damselfly -n "__fish_damselfly_needs_command" -l rdb-del-sync-files -d ' [no]' -r
complete -c damselfly -n "__fish_damselfly_needs_command" -l rdb-save-incremental-fsync -d ' [yes]' -r
complete -c damselfly -n "__fish_damselfly_needs_command" -l rdbchecksum -d ' [yes]' -r
complete -c damselfly -n "__fish_damselfly_needs_command" -l rdbcompression -d ' [yes]' -r
complete -c damselfly -n "__fish_damselfly_needs_command" -l activedefrag -d ' [no]' -r
complete -c damselfly -n "__fish_damselfly_needs_command" -l replicaof -d ' [""]' -r
complete -c damselfly -n "__fish_damselfly_needs_command" -l masterauth -d '' -r
complete -c damselfly -n "__fish_damselfly_needs_command" -l masteruser -d '' -r
complete -c damselfly -n "__fish_damselfly_needs_command" -l min-replicas-max-lag -d ' [10]' -r
complete -c damselfly -n "__fish_damselfly_needs_command" -l min-replicas-to-write -d ' [0]' -r
complete -c damselfly -n "__fish_damselfly_needs_command" -l repl-backlog-size -d ' [1mb]' -r
complete -c damselfly -n "__fish_damselfly_needs_command" -l repl-backlog-ttl -d ' [3600]' -r
complete -c damselfly -n "__fish_damselfly_needs_command" -l repl-disable-tcp-nodelay -d ' [no]' -r
complete -c damselfly -n "__fish_damselfly_needs_command" -l repl-diskless-load -d ' disabled|on-empty-db|swapdb [disabled]' -r
complete -c damselfly -n "__fish_damselfly_needs_command" -l repl-diskless-sync -d ' [yes]' -r
complete -c damselfly -n "__fish_damselfly_needs_command" -l repl-diskless-sync-delay -d ' [5]' -r
complete -c damselfly -n "__fish_damselfly_needs_command" -l repl-diskless-sync-max-replicas -d ' [0]' -r
complete -c damselfly -n "__fish_damselfly_needs_command" -l repl-ping-replica-period -d ' [10]' -r
complete -c damselfly -n "__fish_damselfly_needs_command" -l repl-timeout -d ' [60]' -r
complete -c damselfly -n "__fish_damselfly_needs_command" -l replica-priority -d ' [100]' -r
complete -c damselfly -n "__fish_damselfly_needs_command" -l replica-read-only -d ' [yes]' -r
complete -c damselfly -n "__fish_damselfly_needs_command" -l replica-serve-stale-data -d ' [yes]' -r
complete -c damselfly -n "__fish_damselfly_needs_command" -l cluster-node-timeout -d ' [15000]' -r
complete -c damselfly -n "__fish_damselfly_needs_command" -l cluster-require-full-coverage -d ' [yes]' -r
complete -c damselfly -n "__fish_damselfly_needs_command" -l cluster-config-file -d '' -r
complete -c damselfly -n "__fish_damselfly_needs_command" -l cluster-port -d ' [0]' -r
complete -c damselfly -n "__fish_damselfly_needs_command" -l cluster-announce-bus-port -d ' [0]' -r
complete -c damselfly -n "__fish_damselfly_needs_command" -l cluster-announce-hostname -d '' -r
complete -c damselfly -n "__fish_damselfly_needs_command" -l cluster-preferred-endpoint-type -d ' ip|hostname|unknown-endpoint [ip]' -r
complete -c damselfly -n "__fish_damselfly_needs_command" -l cluster-migration-barrier -d ' [1]' -r
complete -c damselfly -n "__fish_damselfly_needs_command" -l cluster-allow-replica-migration -d ' [yes]' -r
complete -c damselfly -n "__fish_damselfly_needs_command" -l cluster-replica-validity-factor -d ' [10]' -r
complete -c damselfly -n "__fish_damselfly_needs_command" -l cluster-replica-no-failover -d ' [no]' -r
complete -c damselfly -n "__fish_damselfly_needs_command" -l cluster-allow-reads-when-down -d ' [no]' -r
complete -c damselfly -n "__fish_damselfly_needs_command" -l cluster-allow-pubsubshard-when-down -d ' [yes]' -r
complete -c damselfly -n "__fish_damselfly_needs_command" -l cluster-link-sendbuf-limit -d ' [0]' -r
complete -c damselfly -n "__fish_damselfly_needs_command" -l tls-session-caching -d ' [yes]' -r
complete -c damselfly -n "__fish_damselfly_needs_command" -l tls-session-cache-size -d ' [20480]' -r
complete -c damselfly -n "__fish_damselfly_needs_command" -l tls-session-cache-timeout -d ' [300]' -r
complete -c damselfly -n "__fish_damselfly_needs_command" -l tls-prefer-server-ciphers -d ' [no]' -r
complete -c damselfly -n "__fish_damselfly_needs_command" -l tls-replication -d ' [no]' -r
complete -c damselfly -n "__fish_damselfly_needs_command" -l tls-cluster -d ' [no]' -r
complete -c damselfly -n "__fish_damselfly_needs_command" -l enable-protected-configs -d ' no|yes|local [no]' -r
complete -c damselfly -n "__fish_damselfly_needs_command" -l enable-module-command -d ' no|yes|local [no]' -r
complete -c damselfly -n "__fish_damselfly_needs_command" -l daemonize -d ' [no]' -r
complete -c damselfly -n "__fish_damselfly_needs_command" -l pidfile -d '' -r
complete -c damselfly -n "__fish_damselfly_needs_command" -l supervised -d ' upstart|systemd|auto|no [no]' -r
complete -c damselfly -n "__fish_damselfly_needs_command" -l syslog-enabled -d ' [no]' -r
complete -c damselfly -n "__fish_damselfly_needs_command" -l syslog-facility -d '' -r
complete -c damselfly -n "__fish_damselfly_needs_command" -l syslog-ident -d '' -r
complete -c damselfly -n "__fish_damselfly_needs_command" -l oom-score-adj -d ' no|yes|relative|absolute [no]' -r
complete -c damselfly -n "__fish_damselfly_needs_command" -l oom-score-adj-values -d ' [0 200 800]' -r
complete -c damselfly -n "__fish_damselfly_needs_command" -l shutdown-timeout -d ' [10]' -r
complete -c damselfly -n "__fish_damselfly_needs_command" -l shutdown-on-sigint -d '' -r
complete -c damselfly -n "__fish_damselfly_needs_command" -l shutdown-on-sigterm -d '' -r
complete -c damselfly -n "__fish_damselfly_needs_command" -s h -l help -d 'Print this'
complete -c damselfly -n "__fish_damselfly_needs_command" -s v -l version -d 'Print the version'
complete -c damselfly -n "__fish_damselfly_needs_command" -l check-config -d 'Check the configuration and exit'
complete -c damselfly -n "__fish_damselfly_needs_command" -l test -d 'Be a server for tests: a free port, printed as JSON, nothing on disk, ended with its parent'
complete -c damselfly -n "__fish_damselfly_needs_command" -a "import" -d 'Makes a snapshot of a file in Redis\' format (RDB).'
complete -c damselfly -n "__fish_damselfly_needs_command" -a "export" -d 'Writes a snapshot to a file in Redis\' format (RDB).'
complete -c damselfly -n "__fish_damselfly_needs_command" -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c damselfly -n "__fish_damselfly_using_subcommand import" -l dir -d 'Directory of the snapshot' -r -F
complete -c damselfly -n "__fish_damselfly_using_subcommand import" -l dbfilename -d 'Name of the snapshot' -r
complete -c damselfly -n "__fish_damselfly_using_subcommand import" -l databases -d 'How many databases there may be' -r
complete -c damselfly -n "__fish_damselfly_using_subcommand export" -l dir -d 'Directory of the snapshot' -r -F
complete -c damselfly -n "__fish_damselfly_using_subcommand export" -l dbfilename -d 'Name of the snapshot' -r
complete -c damselfly -n "__fish_damselfly_using_subcommand export" -l databases -d 'How many databases there may be' -r
complete -c damselfly -n "__fish_damselfly_using_subcommand help; and not __fish_seen_subcommand_from import export help" -f -a "import" -d 'Makes a snapshot of a file in Redis\' format (RDB).'
complete -c damselfly -n "__fish_damselfly_using_subcommand help; and not __fish_seen_subcommand_from import export help" -f -a "export" -d 'Writes a snapshot to a file in Redis\' format (RDB).'
complete -c damselfly -n "__fish_damselfly_using_subcommand help; and not __fish_seen_subcommand_from import export help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
