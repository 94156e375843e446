//! Cluster commands where no cluster is emulated; tests/cluster.rs has those where one is.

use super::check;

#[test]
fn without_cluster_mode_all_of_it_is_refused() {
    check(
        "
        > CLUSTER INFO                          < -ERR This instance has cluster support disabled
        > CLUSTER SLOTS                         < -ERR This instance has cluster support disabled
        > CLUSTER SHARDS                        < -ERR This instance has cluster support disabled
        > CLUSTER NODES                         < -ERR This instance has cluster support disabled
        > CLUSTER MYID                          < -ERR This instance has cluster support disabled
        > CLUSTER LINKS                         < -ERR This instance has cluster support disabled
        > CLUSTER HELP                          < -ERR This instance has cluster support disabled
        > CLUSTER KEYSLOT a                     < -ERR This instance has cluster support disabled
        > CLUSTER COUNTKEYSINSLOT x             < -ERR This instance has cluster support disabled
        > CLUSTER GETKEYSINSLOT x y             < -ERR This instance has cluster support disabled
        > CLUSTER COUNT-FAILURE-REPORTS x       < -ERR This instance has cluster support disabled
        > CLUSTER REPLICAS x                    < -ERR This instance has cluster support disabled
        > CLUSTER SLAVES x                      < -ERR This instance has cluster support disabled
        > CLUSTER ADDSLOTS 1                    < -ERR This instance has cluster support disabled
        > CLUSTER ADDSLOTSRANGE 1 2             < -ERR This instance has cluster support disabled
        > CLUSTER DELSLOTS 1                    < -ERR This instance has cluster support disabled
        > CLUSTER DELSLOTSRANGE 1 2             < -ERR This instance has cluster support disabled
        > CLUSTER FLUSHSLOTS                    < -ERR This instance has cluster support disabled
        > CLUSTER SETSLOT 1 STABLE              < -ERR This instance has cluster support disabled
        > CLUSTER MEET 127.0.0.1 1              < -ERR This instance has cluster support disabled
        > CLUSTER FORGET x                      < -ERR This instance has cluster support disabled
        > CLUSTER REPLICATE x                   < -ERR This instance has cluster support disabled
        > CLUSTER FAILOVER                      < -ERR This instance has cluster support disabled
        > CLUSTER RESET                         < -ERR This instance has cluster support disabled
        > CLUSTER SAVECONFIG                    < -ERR This instance has cluster support disabled
        > CLUSTER BUMPEPOCH                     < -ERR This instance has cluster support disabled
        > CLUSTER SET-CONFIG-EPOCH 1            < -ERR This instance has cluster support disabled
        > READONLY                              < -ERR This instance has cluster support disabled
        > READWRITE                             < -ERR This instance has cluster support disabled
        > ASKING                                < -ERR This instance has cluster support disabled
        > CLUSTER FNORD                         < -ERR unknown subcommand 'FNORD'. Try CLUSTER HELP.
        > CLUSTER                               < -ERR wrong number of arguments for 'cluster' command
        > CLUSTER KEYSLOT                       < -ERR wrong number of arguments for 'cluster|keyslot' command
        > INFO cluster                          < \"# Cluster\\r\\ncluster_enabled:0\\r\\n\"
        > MULTI                                 < +OK
        > CLUSTER INFO                          < +QUEUED
        > READONLY                              < +QUEUED
        > EXEC                                  < [* *]
        > MSET a 1 b 2                          < +OK
    ",
    );
}

#[test]
fn the_shard_has_a_name_in_7_2() {
    check(
        "
        ! only 7.2
        > CLUSTER MYSHARDID                     < -ERR This instance has cluster support disabled
    ",
    );
}
