/*
 * chart.c - line charts as inline SVG.
 *
 *     y_max +-----------------+      one unit of the drawing is a CSS pixel when the figure is as
 *           |    ..-''        |      wide as VIEW; on a phone it becomes a little smaller
 *           | .-'             |
 *     y_min +-----------------+
 *         x_min             x_max
 *
 * Colours and line styles are in web/report.css, by class: the second series is dashed and has
 * hollow marks, so that the two can be told apart without colour. Points nearer than half a unit to
 * the one before are left out: nobody can see them, and curves of many thousand pictures stay
 * small.
 */
#include "report/report_priv.h"

#include <math.h>
#include <string.h>

enum {
    VIEW = 480,
    VIEW_HEIGHT = 270,
    SQUARE = 400,
    LEFT = 58,
    RIGHT = 16,
    TOP = 12,
    BOTTOM = 46,
    MARKS_SEEN = 30, /* with more points the marks show only when pointed at */
    MARKS_MOST = 400,
};

static bool is_point(double y)
{
    return fabs(y) < 1e30; /* false for NaN, too */
}

struct frame {
    const struct sk_chart *c;
    int width, height;
    struct sk_buf *out;
};

static double px(const struct frame *f, double x)
{
    return LEFT + (x - f->c->x_min) / (f->c->x_max - f->c->x_min) * (f->width - LEFT - RIGHT);
}

static double py(const struct frame *f, double y)
{
    return TOP + (f->c->y_max - y) / (f->c->y_max - f->c->y_min) * (f->height - TOP - BOTTOM);
}

double sk_chart_step(double span, unsigned most)
{
    double power = pow(10, floor(log10(span / most)));

    for (;; power *= 10) {
        if (span <= most * power * (1 + 1e-9))
            return power;
        if (span <= most * 2 * power * (1 + 1e-9))
            return 2 * power;
        if (span <= most * 5 * power * (1 + 1e-9))
            return 5 * power;
    }
}

/* A tick's number with as many digits as its step needs. */
static void add_tick(struct sk_buf *out, double value, double step, bool percent)
{
    int digits = (int)-floor(log10(step) + 1e-9) - (percent ? 2 : 0);

    if (fabs(value) < step / 2)
        value = 0; /* no "-0" */
    if (digits > 6 || step > 1e6)
        sk_buf_fmt(out, "%.3g", value);
    else
        sk_buf_fmt(out, "%.*f%s", digits > 0 ? digits : 0, percent ? 100 * value : value,
                   percent ? " %" : "");
}

static void draw_x_axis(const struct frame *f)
{
    const struct sk_chart *c = f->c;
    double step = sk_chart_step(c->x_max - c->x_min, c->flags & SK_CHART_SQUARE ? 5 : 8);
    double y = f->height - BOTTOM;

    if (c->flags & SK_CHART_X_WHOLE)
        step = fmax(step, 1);
    for (double x = ceil(c->x_min / step - 1e-9) * step; x <= c->x_max + step * 1e-9; x += step) {
        sk_buf_fmt(f->out,
                   "<path class=\"grid\" d=\"M%.1f %dV%.1f\"/><text x=\"%.1f\" y=\"%.1f\" "
                   "text-anchor=\"middle\">",
                   px(f, x), TOP, y, px(f, x), y + 17);
        add_tick(f->out, x, step, false);
        sk_buf_str(f->out, "</text>");
    }
    sk_buf_fmt(f->out, "<text class=\"name\" x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">",
               (px(f, c->x_min) + px(f, c->x_max)) / 2, f->height - 9);
    sk_html_text(f->out, c->x_name);
    sk_buf_str(f->out, "</text>");
}

static void draw_y_axis(const struct frame *f)
{
    const struct sk_chart *c = f->c;
    double step = sk_chart_step(c->y_max - c->y_min, 5);

    for (double y = ceil(c->y_min / step - 1e-9) * step; y <= c->y_max + step * 1e-9; y += step) {
        sk_buf_fmt(f->out,
                   "<path class=\"grid\" d=\"M%d %.1fH%d\"/><text x=\"%d\" y=\"%.1f\" "
                   "text-anchor=\"end\">",
                   LEFT, py(f, y), f->width - RIGHT, LEFT - 7, py(f, y) + 4.5);
        add_tick(f->out, y, step, c->flags & SK_CHART_Y_PERCENT);
        sk_buf_str(f->out, "</text>");
    }
    if (!c->y_name)
        return;
    sk_buf_fmt(f->out,
               "<text class=\"name\" text-anchor=\"middle\" transform=\"translate(13 "
               "%.1f)rotate(-90)\">",
               (py(f, c->y_min) + py(f, c->y_max)) / 2);
    sk_html_text(f->out, c->y_name);
    sk_buf_str(f->out, "</text>");
}

static void draw_line(const struct frame *f, size_t which)
{
    const struct sk_series *s = &f->c->series[which];
    bool is_drawing = false;
    double last_x = 0, last_y = 0;

    sk_buf_fmt(f->out, "<path class=\"line s%zu\" d=\"", which);
    for (size_t i = 0; i < s->count; i++) {
        if (!is_point(s->y[i])) {
            is_drawing = false;
            continue;
        }
        double x = px(f, s->x[i]), y = py(f, s->y[i]);
        bool is_last = i + 1 == s->count || !is_point(s->y[i + 1]);
        if (is_drawing && !is_last && fabs(x - last_x) < 0.5 && fabs(y - last_y) < 0.5)
            continue;
        if (is_drawing && f->c->flags & SK_CHART_STEPS)
            sk_buf_fmt(f->out, "V%.1fH%.1f", y, x);
        else
            sk_buf_fmt(f->out, "%c%.1f %.1f", is_drawing ? 'L' : 'M', x, y);
        is_drawing = true;
        last_x = x;
        last_y = y;
    }
    sk_buf_str(f->out, "\"/>");
}

static bool stands_alone(const struct sk_series *s, size_t i)
{
    return (i == 0 || !is_point(s->y[i - 1])) && (i + 1 == s->count || !is_point(s->y[i + 1]));
}

static void draw_marks(const struct frame *f, size_t which)
{
    const struct sk_series *s = &f->c->series[which];

    for (size_t i = 0; i < s->count; i++) {
        bool is_seen = s->count <= MARKS_SEEN || stands_alone(s, i);
        if (!is_point(s->y[i]) || (!is_seen && s->count > MARKS_MOST))
            continue;
        sk_buf_fmt(f->out, "<circle class=\"mark s%zu%s\" cx=\"%.1f\" cy=\"%.1f\" r=\"%d\"><title>",
                   which, is_seen ? "" : " quiet", px(f, s->x[i]), py(f, s->y[i]), 3);
        sk_html_text(f->out, s->name);
        sk_buf_fmt(f->out, ", %s %.6g: ", f->c->x_name, s->x[i]);
        if (f->c->flags & SK_CHART_Y_PERCENT)
            sk_html_percent(f->out, s->y[i]);
        else
            sk_buf_fmt(f->out, "%.4g", s->y[i]);
        sk_buf_str(f->out, "</title></circle>");
    }
}

static void add_legend(const struct sk_chart *c, struct sk_buf *out)
{
    sk_buf_str(out, "<span class=\"legend\">");
    for (size_t i = 0; i < c->series_count; i++) {
        sk_buf_fmt(out,
                   "<span><svg class=\"key\" viewBox=\"0 0 28 10\" aria-hidden=\"true\"><path "
                   "class=\"line s%zu\" d=\"M1 5H27\"/>",
                   i);
        if (c->flags & SK_CHART_MARKS && c->series[i].count <= MARKS_SEEN)
            sk_buf_fmt(out, "<circle class=\"mark s%zu\" cx=\"14\" cy=\"5\" r=\"3.5\"/>", i);
        sk_buf_str(out, "</svg> ");
        sk_html_text(out, c->series[i].name);
        sk_buf_str(out, "</span> ");
    }
    sk_buf_str(out, "</span>");
}

void sk_chart_html(const struct sk_chart *c, struct sk_buf *out)
{
    bool is_square = c->flags & SK_CHART_SQUARE;
    const struct frame f = { c, is_square ? SQUARE : VIEW,
                             is_square ? SQUARE - LEFT - RIGHT + TOP + BOTTOM : VIEW_HEIGHT, out };

    sk_buf_str(out, "<figure class=\"chart\"><figcaption><b>");
    sk_html_text(out, c->title);
    sk_buf_str(out, "</b> ");
    if (c->series_count > 1)
        add_legend(c, out);
    sk_buf_fmt(out, "</figcaption>\n<svg viewBox=\"0 0 %d %d\" role=\"img\" aria-label=\"", f.width,
               f.height);
    sk_html_text(out, c->summary);
    sk_buf_str(out, "\">");
    draw_x_axis(&f);
    draw_y_axis(&f);
    if (c->flags & SK_CHART_DIAGONAL)
        sk_buf_fmt(out, "<path class=\"chance\" d=\"M%.1f %.1fL%.1f %.1f\"/>", px(&f, c->x_min),
                   py(&f, c->y_min), px(&f, c->x_max), py(&f, c->y_max));
    for (size_t i = 0; i < c->series_count; i++)
        draw_line(&f, i);
    for (size_t i = 0; i < c->series_count && c->flags & SK_CHART_MARKS; i++)
        draw_marks(&f, i);
    sk_buf_str(out, "</svg></figure>\n");
}
