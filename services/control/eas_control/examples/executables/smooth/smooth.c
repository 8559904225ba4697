/* The running mean of a light curve: an example of a task type in C, with nothing but the standard library.
 *
 * The worker starts it in a private directory. Where the files are and what the settings are is in environment
 * variables (and, with everything else, in task.json). Exit statuses are those of sysexits.h.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>

struct sample {
    double time, flux, flag, uncertainty;
};

static struct sample *samples;
static size_t count;

static void read_samples(const char *path)
{
    FILE *file = fopen(path, "r");
    char line[512];
    size_t room = 0;

    if (!file) {
        perror(path);
        exit(EX_NOINPUT);
    }
    while (fgets(line, sizeof line, file)) {
        struct sample next = {0};
        if (line[0] == '#' || line[0] == '\n')
            continue;
        if (sscanf(line, "%lf %lf %lf %lf", &next.time, &next.flux, &next.flag, &next.uncertainty) < 2) {
            fprintf(stderr, "%s: expected a time and a flux, found: %s", path, line);
            exit(EX_DATAERR);
        }
        if (count == room) {
            room = room ? 2 * room : 1024;
            samples = realloc(samples, room * sizeof *samples);
            if (!samples)
                exit(EX_OSERR);
        }
        samples[count++] = next;
    }
    fclose(file);
    if (!count) {
        fprintf(stderr, "%s: there are no samples\n", path);
        exit(EX_DATAERR);
    }
}

int main(void)
{
    const char *from = getenv("EAS_INPUT_LIGHTCURVE"), *to = getenv("EAS_OUTPUT_LIGHTCURVE");
    const char *setting = getenv("EAS_SETTING_WINDOW");
    long half = (setting ? atol(setting) : 5) / 2;
    FILE *file;

    if (!from || !to)
        return EX_USAGE;
    read_samples(from);
    file = fopen(to, "w");
    if (!file)
        return EX_IOERR;
    for (long i = 0; i < (long)count; i++) {
        double sum = 0;
        long first = i < half ? 0 : i - half, last = i + half < (long)count ? i + half : (long)count - 1;
        for (long k = first; k <= last; k++)
            sum += samples[k].flux;
        fprintf(file, "%.9f %.12g %g %.12g\n", samples[i].time, sum / (last - first + 1), samples[i].flag,
                samples[i].uncertainty);
    }
    if (fclose(file))
        return EX_IOERR;
    printf("smoothed %zu samples\n", count);

    file = fopen("result.json", "w");
    if (!file)
        return EX_IOERR;
    fprintf(file, "{\"metadata\": {\"samples\": %zu, \"window\": %ld},\n"
                  " \"outputs\": {\"lightcurve\": {\"metadata\": {\"smoothed\": true}}}}\n", count, 2 * half + 1);
    return fclose(file) ? EX_IOERR : EX_OK;
}
