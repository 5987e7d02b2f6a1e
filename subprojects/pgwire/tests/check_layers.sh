#!/bin/sh
# pgwire stands alone: its sources include its own headers and a few of libc, OpenSSL only for
# passwords; and the library calls nothing that allocates, reads, writes or logs.
# usage: check_layers.sh SOURCE_DIR LIBRARY
set -eu

source_dir=$1
library=$2
libc='assert|limits|stdbool|stddef|stdint|string'
failed=0

for file in "$source_dir"/src/*.[ch] "$source_dir"/include/pgwire/*; do
    allowed="<($libc)\\.h>"
    case $file in
    */include/*) own='pgwire/[a-z_]+\.(h|def)' ;;
    *) own='(pgwire/)?[a-z0-9_]+\.(h|def)' ;;
    esac
    allowed="$allowed|\"$own\""
    case $file in
    */src/scram.c | */src/md5.c) allowed="$allowed|<openssl/[a-z]+\\.h>" ;;
    esac
    if grep -En '^[[:space:]]*#[[:space:]]*include' "$file" | grep -Ev "include ($allowed)"; then
        echo "$file: includes what the layer may not see"
        failed=1
    fi
done

# Every name that the library takes from elsewhere. Names with two underscores are the compiler's.
own_names=$(nm --defined-only "$library" 2>/dev/null | awk 'NF == 3 { print $3 }' | sort -u)
taken=$(nm --undefined-only "$library" 2>/dev/null | awk 'NF == 2 { print $2 }' | sort -u)
for name in $taken; do
    case $name in
    memcmp | memchr | memcpy | memset | memmove | strlen | strcmp | strncmp | strchr) ;;
    bcmp | __* | _GLOBAL_OFFSET_TABLE_) ;;
    CRYPTO_memcmp | OPENSSL_cleanse | HMAC | PKCS5_PBKDF2_HMAC | EVP_*) ;;
    *)
        if ! printf '%s\n' "$own_names" | grep -qx "$name"; then
            echo "$library: calls $name"
            failed=1
        fi
        ;;
    esac
done
if [ -z "$taken" ]; then
    echo "$library: nm shows nothing"
    failed=1
fi

# And every name that it gives begins with its own.
for name in $(nm --defined-only --extern-only "$library" 2>/dev/null | awk 'NF == 3 { print $3 }'); do
    case $name in
    pgwire_* | __*) ;;
    *)
        echo "$library: defines $name"
        failed=1
        ;;
    esac
done
exit $failed
