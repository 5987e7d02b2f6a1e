/* Runs a fuzz target over the files of a directory, so that every compiler tests the corpora. */
#include <assert.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

#include "fuzz.h"

enum { PATH_MAX_LEN = 4096, FILE_MAX = 1 << 20 };

static void replay(const char *path)
{
    FILE *file = fopen(path, "rb");
    assert(file != NULL);
    uint8_t *buffer = malloc(FILE_MAX);
    assert(buffer != NULL);
    size_t size = fread(buffer, 1, FILE_MAX, file);
    fclose(file);
    uint8_t *exact = malloc(size > 0 ? size : 1); /* so that a step too far is seen */
    assert(exact != NULL);
    for (size_t i = 0; i < size; i++) {
        exact[i] = buffer[i];
    }
    LLVMFuzzerTestOneInput(exact, size);
    free(exact);
    free(buffer);
}

int main(int argc, char **argv)
{
    size_t count = 0;
    DIR *directory = argc == 2 ? opendir(argv[1]) : NULL;
    if (directory == NULL) {
        fprintf(stderr, "usage: %s DIRECTORY\n", argv[0]);
        return 2;
    }
    for (struct dirent *entry = readdir(directory); entry != NULL; entry = readdir(directory)) {
        char path[PATH_MAX_LEN];
        if (entry->d_name[0] == '.') {
            continue;
        }
        int len = snprintf(path, sizeof(path), "%s/%s", argv[1], entry->d_name);
        assert(len > 0 && (size_t)len < sizeof(path));
        replay(path);
        count++;
    }
    closedir(directory);
    printf("%zu files\n", count);
    return count > 0 ? 0 : 1;
}
