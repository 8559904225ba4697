#!/bin/sh
# The range of the fluxes of a light curve: an example of a task type in the language of the shell.
# It runs in a private directory and knows its input and settings from environment variables.
set -eu

case $EAS_INPUT_LIGHTCURVE in
    *.gz) gzip -dc "$EAS_INPUT_LIGHTCURVE" >curve.txt || exit 65 ;; # 65: the input is wrong
    *) ln -s "$EAS_INPUT_LIGHTCURVE" curve.txt ;;
esac

awk -v lowest="$EAS_SETTING_LOWEST_ALLOWED" '
    /^#/ || NF < 2 { next }
    NF >= 3 && $3 != 0 { next }  # flagged
    !count++ { low = high = $2 }
    $2 < low { low = $2 }
    $2 > high { high = $2 }
    END {
        if (!count) {
            print "there is no sample without a flag" >"/dev/stderr"
            exit 65
        }
        printf "{\"metadata\": {\"flux_min\": %.9g, \"flux_max\": %.9g, \"samples\": %d},\n", low, high, count
        printf " \"passed\": %s, \"reason\": \"%s\"}\n", low < lowest ? "false" : "true", \
            low < lowest ? "a flux is lower than allowed" : ""
    }
' curve.txt >result.json
