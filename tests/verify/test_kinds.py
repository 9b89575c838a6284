"""Tables of answers by kind: what is the same however it is written, what is another answer, what cannot be told.

A kind gets its rows from what people reported of this and other checkers, with siblings of both sorts: a rule that
reads one more notation must not call a different answer the same.
"""

from __future__ import annotations

import pytest

from mathstrap.verify import answers_agree

SAME: dict[str, list[tuple[str, str]]] = {
    "rounded golds and independent signs": [
        ("6.46", r"\frac{84}{13}"), ("6.67", "20:3"), ("3.33", r"\frac{10}{3}"), ("0.458", r"\frac{27}{59}"),
        ("(1,2),(1,-2),(-1,2),(-1,-2)", r"(\pm1,\pm2)"),
        (r"\text{infinitely many}", r"\infty"),
    ],
    "units that convert": [
        ("2 m", "200 cm"), ("200 cm", "2 m"), ("3 km", "3000 m"), ("1.5 hours", "90 minutes"),
        ("90 seconds", "1.5 minutes"), ("2 days", "48 hours"), ("2 weeks", "14 days"), ("1 decade", "10 years"),
        ("2 kg", "2000 g"), ("500 mL", "0.5 L"), ("3 feet", "36 inches"), ("1 mile", "5280 feet"), ("2 yards", "6 ft"),
        ("1 pound", "16 ounces"), ("1 gallon", "4 quarts"), ("36 km/h", "10 m/s"), ("60 miles per hour", "60 mph"),
        ("1 m^2", "10000 cm^2"), ("1 cubic meter", "1000 liters"), ("1 L", "1000 cm^3"),
        (r"100 \text{ cm}", r"1 \text{ m}"), (r"\$2", "200 cents"), ("75 cents", r"\$0.75"), (r"\$1.05", "105 cents"),
        ("3 dollars", "300 cents"), ("1 hour 30 minutes", "90 minutes"), ("1 h 30 min", "90 min"), ("1.5 h", "1h30m"),
        ("2 hours and 15 minutes", "135 minutes"), ("3 hours 20 minutes", "200 min"), ("5 ft 10 in", "70 inches"),
        ("6'2\"", "74 inches"), ("2 m 50 cm", "2.5 m"), ("1 minute 30 seconds", "90 s"),
        (r"180^\circ", r"\pi \text{ radians}"), (r"\pi", r"180^\circ"), ("5 N", "5 newtons"), ("5 kW", "5000 W"),
        (r"0^\circ C", "273.15 K"), (r"68^\circ F", r"20^\circ C"), ("20°C", "20 degrees Celsius"),
        ("5 km", "5 kilometers"), ("12 inches", "1 foot"), ("5 cm^2", "5 square centimeters"), ("5 cm^2", "5 sq cm"),
        ("10 m/s", "10 meters per second"), ("5 m/s^2", r"5\text{ m s}^{-2}"), ("$5", "5 dollars"), ("£5", "5 pounds"),
        ("€5", "5 euros"), ("¥500", "500 yen"), ("₹50", "50 rupees"), ("5 lbs", "5 pounds"), ("3 years", "36 months"),
        (r"5 \text{ sq. units}", "5"), (r"12\text{ square units}", "12 cm^2"), (r"5\text{ hr}", "5 hours"),
        (r"\$5 \text{ million}", "5000000 dollars"), ("2.5 million", "2500000"), ("3 dozen", "36"),
        (r"5 k\Omega", r"5 k\Omega"), ("5 apples", "5"), ("5", "5 apples"), ("5 red apples", "5 apples"),
        ("72 clips", "72 hair clips"), ("20 red blocks in the tower", "20 blocks"), ("5 boys", "5"),
        (r"12 \text{ ways}", "12 different ways"), ("5 people", "5 persons"),
        (r"18 \text{ dollars per hour}", r"\$18"), ("8 ounces", "8 oz"), ("5 hours", "5 hrs"), (r"25\%", "25 percent"),
        (r"25\%", "25 percent of the students"),
    ],
    "number words": [
        ("50", "5 tens"), ("25", "5 squared"), ("125", "5 cubed"), (r"\frac{5}{7}", "5 sevenths"),
        (r"\frac{5}{7}", "five sevenths"), ("500000", "5 lakh"), ("50000000", "5 crore"), ("100", "5 score"),
        ("100", "a hundred"), ("100", "one hundred"), ("1000", "a thousand"), ("12", "a dozen"), ("24", "two dozen"),
        ("21", "twenty-one"), ("21", "twenty one"), ("105", "one hundred and five"), ("105", "one hundred five"),
        ("1234", "one thousand two hundred thirty-four"), ("-7", "negative seven"), ("-7", "minus seven"),
        ("-5", "minus 5"), ("-5", "negative 5"), (r"\frac12", "half"), (r"\frac12", "a half"),
        (r"\frac12", "one half"), (r"\frac14", "a quarter"), (r"\frac14", "one-quarter"),
        (r"\frac34", "three quarters"), (r"\frac34", "three-fourths"), (r"\frac13", "one third"),
        (r"\frac13", "a third"), (r"\frac25", "two fifths"), ("2.5", "two and a half"), (r"\frac52", "two and a half"),
        ("3.25", "three and a quarter"), ("1500000", "1.5 million"), ("1500000", "one and a half million"),
        ("3.5", "three point five"), (r"\sqrt3", "square root of 3"), (r"\sqrt3", "root 3"),
        (r"\sqrt{3}", "root three"), (r"2\sqrt3", "2 root 3"), (r"2\sqrt3", "2 square root of 3"),
        (r"2\sqrt3", "two times the square root of three"), ("10", "twice 5"), (r"\frac52", "half of 5"),
        ("0", "zero"), ("17", "seventeen"), ("40", "forty"), ("1000000", "a million"), ("6", "six apples"),
        ("15", "fifteen dollars"), ("20", "twenty percent"), (r"20\%", "twenty percent"), ("8", "eight"), ("7", "七"),
        ("42", "四十二"), ("105", "一百零五"), ("42", "４２"), ("42", "৪২"), ("42", "४२"), ("42", "٤٢"),
        ("3/4", "四分之三"), (r"50\%", "百分之五十"),
    ],
    "named": [
        ("x=5", "5"), ("5", "x=5"), (r"P(A)=\frac13", r"\frac13"), ("P(A)=0.3", "P(A)=0.3"), ("P(A)=0.3", "0.3"),
        ("P(A|B)=0.4", "0.4"), (r"P(X\ge2)=\frac14", r"\frac14"), ("E(X)=3", "3"), ("f(2)=7", "7"), ("7", "f(2)=7"),
        ("a_1=3", "3"), ("a_n=2n+1", "2n+1"), ("S_{10}=55", "55"), (r"\angle ABC=30^\circ", r"30^\circ"),
        (r"m\angle ABC = 30^\circ", "30"), ("AB=5", "5"), ("5", "AB = 5"), (r"\triangle ABC = 6", "6"),
        (r"\frac{AB}{CD}=2", "2"), (r"\frac{x}{y}=\frac23", r"\frac23"), (r"\text{Area}=12", "12"),
        ("12", r"\text{Area} = 12"), (r"\text{Total cost}=12", "12 dollars"), ("area=5", "area = 5"),
        ("Area = 5", "area=5"), ("12", r"\text{Area of the triangle} = 12"), ("5", "Answer = 5"), ("5", "answer: 5"),
        ("5", "Result: 5"), ("|z|=5", "5"), (r"\sin x=\frac12", r"\frac12"), ("f(x)=x^2", "f(t)=t^2"),
        ("y=x^2", "f(x)=x^2"), ("f(x)=2x+1", "y=2x+1"), ("m+n", "n+m"), ("293", "m+n=293"),
        ("293", "m+n = 256+37 = 293"), (r"V=12\pi", r"12\pi"), (r"\text{Number of apples} = 7", "7"),
        (r"\cos\theta=\frac35", r"\frac35"), (r"\vec{AB}=(1,2)", "(1,2)"), ("n=7", "7"), (r"k = -\frac12", "-0.5"),
        ("AB = 5", "BA=5"),
    ],
    "latex wrappers": [
        ("5", r"\textcolor{red}{5}"), ("5", r"{\color{red}5}"), ("5", r"\color{red}{5}"),
        ("5", r"\colorbox{green}{$5$}"), ("5", r"\fcolorbox{black}{white}{5}"), ("5", r"\fbox{5}"),
        ("5", r"\framebox{$5$}"), ("5", r"\ensuremath{5}"), ("5", r"\Large 5"), ("5", r"\Huge{5}"),
        ("5", r"{\large 5}"), ("5", r"\mathbf{5}"), ("5", r"\bm{5}"), ("5", r"\boldsymbol{5}"), ("5", r"\textit{5}"),
        ("5", r"\underline{5}"), ("5", r"\underline{\underline{5}}"), ("5", r"\hspace{2mm}5"),
        ("5", r"5\hspace*{1em}"), ("5", r"5\vspace{1em}"), ("5", r"\quad 5"), ("5", r"5\tag{2}"),
        ("5", r"5\tag*{(2)}"), ("5", r"5\label{eq}"), ("5", r"\phantom{0}5"),
        ("5", r"\begin{equation}5\end{equation}"), ("5", r"\begin{align*}5\end{align*}"),
        ("5", r"\begin{gather}5\end{gather}"), ("5", r"\begin{aligned}5\end{aligned}"),
        ("5", r"\begin{matrix}5\end{matrix}"), ("5", r"\begin{pmatrix}5\end{pmatrix}"),
        ("5", r"\begin{array}{l}5\end{array}"), ("5", r"\begin{array}{|c|}5\end{array}"), ("5", r"\[5\]"),
        ("5", "$$5$$"), ("5", r"\(5\)"), ("5", r"\displaystyle 5"), (r"\frac12", r"\nicefrac{1}{2}"),
        (r"\frac12", r"\sfrac12"), (r"\frac12", r"\displaystyle\frac{1}{2}"), (r"\frac12", r"\cfrac{1}{2}"),
        ("5", r"\mathop{5}"), ("5", r"\smash{5}"), ("5", r"\boxed{\boxed{5}}"), ("5", r"\boxed{\text{5}}"),
        ("5", r"\mathrm{5}"), ("5", r"\textsf{5}"), ("5", r"\texttt{5}"), ("x+1", r"\mathbf{x+1}"),
        ("x+1", r"\boxed{x+1}"), ("x+1", r"{\color{blue}{x+1}}"), ("5", r"x=\textcolor{red}{5}"),
        (r"\frac{1}{2}", r"\frac{\color{red}1}{2}"), ("5", r"\begin{align}x&=5\end{align}"),
        ("5", r"\begin{aligned}x&=2+3\\&=5\end{aligned}"),
        ("5", "\\begin{align*}\nx &= 10/2 \\\\\n &= 5\n\\end{align*}"),
        ("x=2,y=3", r"\begin{cases}x=2\\y=3\end{cases}"),
        ("x=2,y=3", r"\left\{\begin{array}{l}x=2\\y=3\end{array}\right."),
        ("x=1,2", r"\begin{aligned}x&=1\\x&=2\end{aligned}"), ("5", r"\mbox{5}"), ("5", r"\pmb{5}"),
        ("5", r"\mathsf{5}"), ("5", r"\;5\;"), ("5", r"5\,"), ("5", r"\uline{5}"),
    ],
    "choices": [
        ("B", "(b)"), ("B", "option (b)"), ("B", "Option B"), ("B", "choice B"), ("B", "B. 5"), ("B", "B) 5"),
        ("B", "(B) 5"), ("B", "B: 5"), ("B", r"\text{B. 5}"), ("B", r"\textbf{(B)}\ 12"), ("12", r"\textbf{(B)}\ 12"),
        ("12", "(B) 12"), ("12", "B. 12"), (r"\text{(B)}", "answer B"), (r"\text{(B)}", "B"), (r"\text{B}", "(B)"),
        (r"\textbf{(B) }5", "B"), (r"\textbf{(B) }5", "5"), (r"(A) \frac12", "A"), (r"\frac12", r"(A) \frac12"),
        ("C", r"\mathrm{C}"), ("C", r"\mathbf{(C)}"), ("D", "(D)."), ("A", r"A. \text{cat}"), (r"\text{(A) }5", "A"),
    ],
    "sets": [
        ("[-2,2]", r"|x|\le2"), ("(-2,2)", "|x|<2"), (r"-2\le x\le2", r"|x|\leq 2"), ("[-1,3]", r"|x-1|\le2"),
        (r"|x-1|\le 2", r"-1\le x\le3"), (r"(-\infty,-2)\cup(2,\infty)", "|x|>2"), (r"x<-2\text{ or }x>2", "|x|>2"),
        (r"x\le-2\text{ or }x\ge2", r"|x|\ge2"), ("(1,3)", r"\{x:1<x<3\}"), ("(1,3)", r"\{x|1<x<3\}"),
        ("(1,3)", r"\{x\mid 1<x<3\}"), ("(1,3)", r"\{x\in\mathbb{R}:1<x<3\}"),
        ("(1,3)", r"\{x\in\mathbb{R}\mid 1<x<3\}"), ("(1,3)", r"\left\{x\,\middle|\,1<x<3\right\}"),
        (r"[1,\infty)", r"\{x : x\ge1\}"), (r"[1,\infty)", r"\{ t \colon t \geq 1\}"), ("1<x<2", "x>1, x<2"),
        ("1<x<2", r"x>1 \text{ and } x<2"), ("1<x<2", r"x<2\text{ and }x>1"), ("(1,2]", r"x>1\text{ and }x\le2"),
        (r"x\ne1,2", r"x\neq1\text{ and }x\neq2"), (r"x\ne1,2", r"x\ne1, x\ne2"),
        (r"\mathbb{R}\setminus\{1,2\}", r"x\ne1,2"), (r"\mathbb{R}\setminus\{1\}", r"x\ne1"),
        (r"\mathbb{R}\backslash\{1\}", r"(-\infty,1)\cup(1,\infty)"), (r"\mathbb{R}", r"\text{all real numbers}"),
        (r"\mathbb{R}", "all reals"), (r"(-\infty,\infty)", "all real numbers"),
        (r"x\in\mathbb{R}", "all real numbers"), (r"\text{all real numbers}", r"(-\infty,\infty)"),
        (r"\text{all real numbers}", "the set of all real numbers"), (r"\mathbb{Z}", "all integers"),
        (r"\text{all integers}", "the integers"), (r"(0,\infty)", r"\mathbb{R}^+"),
        (r"(0,\infty)", r"\mathbb{R}_{>0}"), (r"(0,\infty)", r"\mathbb{R}_+"), (r"[0,\infty)", r"\mathbb{R}_{\ge0}"),
        (r"(0,\infty)", "positive real numbers"), (r"[0,\infty)", "nonnegative real numbers"),
        (r"\mathbb{Z}^+", "positive integers"), (r"\mathbb{N}", "natural numbers"), (r"\emptyset", r"\varnothing"),
        ("x>2", "2<x"), (r"x\ge-1", r"-x\le1"), ("x<3", "-x>-3"), (r"\{1,2,3\}", "1, 2, 3"), ("2, 3", "both 2 and 3"),
        ("2,3", "Both 2 and 3"), ("2,3", "2 or 3"), ("[1,3]", r"1\le x\le3"), ("(2,5)", "2<t<5"), ("x<y+1", "y+1>x"),
        ("y>2x+1", "2x+1<y"), ("y>2x+1", "y-2x>1"), ("|x|<3", r"x\in(-3,3)"), ("-1<x<1", "|x|<1"),
    ],
    "bases": [
        ("1011_2", "1011_{2}"), ("1011_2", "1011_{(2)}"), ("1011_2", "(1011)_2"), ("1011_2", r"\left(1011\right)_{2}"),
        ("1011_2", r"1011_{\text{base }2}"), ("1011_2", r"1011_{base\ 2}"), ("1011_2", r"1011_{\text{two}}"),
        ("1011_2", "1011_{two}"), ("1011_2", r"1011 \text{ (base 2)}"), ("1011_2", "1011 base 2"),
        ("1011_2", "1011 in base 2"), ("1011_2", r"\text{1011}_2"), ("1011_2", "0b1011"), ("2A_{16}", "2a_{16}"),
        ("2A_{16}", "0x2A"), ("2A_{16}", r"\text{2A}_{16}"), ("2A_{16}", r"\mathrm{2A}_{16}"), ("AB_{16}", "ab_{16}"),
        ("AB_{16}", r"\text{AB}_{16}"), ("2516_8", "2516_{eight}"), ("2516_8", r"2516_{\text{eight}}"),
        ("2516_8", "02516_8"),
    ],
    "qualifiers": [
        ("f(x)=2x", r"f(x)=2x \text{ for all } x"), ("f(x)=2x", "f(x)=2x for all x"),
        ("f(x)=2x", r"f(x)=2x \text{ for all real numbers } x"),
        ("f(x)=cx", r"f(x)=cx, \text{ where } c \text{ is a constant}"),
        ("f(x)=cx", r"f(x)=cx \text{ for some constant } c"),
        ("f(x)=cx", r"f(x) = cx, \text{ where } c \in \mathbb{R}"), (r"2\pi k", r"2\pi k, k\in\mathbb{Z}"),
        (r"2\pi k, k\in\mathbb{Z}", r"2\pi n, n \in \mathbb{Z}"),
        (r"\pi k, k \in \mathbb{Z}", r"n\pi \text{ where } n \text{ is an integer}"),
        (r"x=\pi k, k\in\mathbb{Z}", r"x = n\pi, \quad n \in \mathbb{Z}"),
        (r"\frac{\pi}{4}+k\pi, k\in\mathbb{Z}", r"\frac{\pi}{4}+n\pi (n\in\mathbb{Z})"),
        (r"\frac{\pi}{4}+k\pi, k\in\mathbb{Z}", r"-\frac{3\pi}{4}+n\pi, n\in\mathbb{Z}"),
        ("2^n", r"2^n \text{ for } n\ge1"), ("2^n", r"2^n \text{ where } n\ge1"),
        ("a_n=2n-1", r"a_n = 2n-1, n\in\mathbb{N}^*"), ("x^2+C", "x^2+c"), ("x^2+C", "x^2+C_1"), ("x^2+C", "x^2+K"),
        (r"\ln x+C", r"C+\ln x"), ("y=Ce^{2x}", "y=ce^{2x}"), ("y=Ce^{2x}", "y=C_1e^{2x}"),
        ("y=Ce^{-x}", "y = Ke^{-x}"), ("2n+1", r"2n+1 \text{ for any integer } n"),
        (r"\frac{x^3}{3}+C", r"\frac13x^3+c"), ("3n", r"3n, \text{ where } n \text{ is a positive integer}"),
        ("f(x)=x", r"f(x)=x \text{ for every } x \in \mathbb{R}"), ("5", r"5, \text{ for all } n"),
    ],
    "remarks": [
        ("72", "72, in total"), ("72", "72 in total"), ("72", "72 altogether"), ("72", "72, altogether"),
        ("5", "5, not 6"), ("5", "5 not 6"), ("5", "5 and not 6"), ("5", "5 rather than 6"), ("5", "5 instead of 6"),
        ("5", "exactly 5"), ("5", "only 5"), ("5", "5 (five)"), ("5", "5 apples in total"), ("9", "9 (apples)"),
        ("5", "5, as required"), ("x+1", "x+1, as desired"), ("5", "just 5"),
    ],
    "coordinates": [
        ("(1,2)", "x=1,y=2"), ("(1,2)", r"x=1 \text{ and } y=2"), ("(1,2)", "y=2, x=1"), ("(1,2)", "A(1,2)"),
        ("(1,2)", "P=(1,2)"), ("(1,2)", "(x,y)=(1,2)"), ("(1,2,3)", "x=1,y=2,z=3"), ("(1,2,3)", "z=3,y=2,x=1"),
        ("(1,2,3)", "a=1, b=2, c=3"), ("(1,2)", r"\begin{cases}x=1\\y=2\end{cases}"),
        ("(1,2)", r"\begin{pmatrix}1\\2\end{pmatrix}"), ("x=1,y=2", "(1,2)"), ("x=1,y=2", "y=2,x=1"),
        ("(a,b)=(1,2)", "a=1,b=2"), ("(1,2)", "m=1, n=2"), (r"(\frac12,-3)", "x=0.5, y=-3"), ("P(1,2)", "(1,2)"),
        ("(1,2)", "P(1, 2)"), ("(3,4)", "p=3, q=4"),
    ],
    "counting and bounds": [
        ("120", r"\binom{10}{3}"), ("120", "C(10,3)"), ("120", "C_{10}^3"), ("120", "C_{10}^{3}"),
        ("120", "{}^{10}C_3"), ("120", "{}^{10}C_{3}"), ("120", "^{10}C_{3}"), ("120", "_{10}C_3"),
        ("120", "{}_{10}C_{3}"), ("120", r"{10 \choose 3}"), ("720", "P(10,3)"), ("720", "{}_{10}P_3"),
        ("720", "P_{10}^3"), ("720", "^{10}P_3"), (r"\binom{n}{2}", "C(n,2)"), (r"\binom{n}{2}", "C_n^2"),
        (r"\binom{10}{3}", r"\frac{10!}{3!7!}"), ("55", r"\sum_{k=1}^{10}k"), ("385", r"\sum_{n=1}^{10}n^2"),
        (r"\frac{1023}{1024}", r"\sum_{k=1}^{10}\frac{1}{2^k}"), ("120", r"\prod_{k=1}^5 k"),
        ("3628800", r"\prod_{i=1}^{10} i"), (r"\sum_{i=1}^n i", r"\sum_{k=1}^n k"), (r"\frac12", r"\int_0^1 x\,dx"),
        (r"\frac13", r"\int_0^1 x^2 dx"), ("2", r"\int_0^\pi \sin x\,dx"),
        (r"\frac{\pi}{4}", r"\int_0^1\frac{1}{1+x^2}\,dx"), ("e-1", r"\int_0^1 e^x\,dx"),
        (r"\ln 2", r"\int_1^2\frac1x\,dx"), ("1", r"\lim_{x\to0}\frac{\sin x}{x}"),
        (r"\frac12", r"\lim_{x\to0}\frac{1-\cos x}{x^2}"), ("e", r"\lim_{n\to\infty}(1+\frac1n)^n"),
        ("0", r"\lim_{x\to\infty}\frac1x"), ("6", r"\lim_{x\to3}\frac{x^2-9}{x-3}"),
        ("2", r"\lim_{n\to\infty}\frac{2n+1}{n}"), ("15", "5!!"), ("48", "6!!"),
        ("-2", r"\begin{vmatrix}1&2\\3&4\end{vmatrix}"), ("30", r"\sum_{k=1}^{4} k^2"),
        (r"\frac{\sqrt{\pi}}{2}", r"\int_0^\infty e^{-x^2}\,dx"),
        (r"\sqrt2/2+\sqrt2/2i", r"\operatorname{cis}45^\circ"), (r"\operatorname{csch} x", r"\frac1{\sinh x}"),
        (r"\operatorname{coth} x", r"\frac{\cosh x}{\sinh x}"), (r"\operatorname{sech} x", r"1/\cosh x"),
    ],
    "decimals": [
        (r"\frac13", "0.333..."), (r"\frac13", r"0.333\ldots"), (r"\frac13", r"0.\overline{3}"), (r"\frac13", "0.(3)"),
        (r"\frac13", r"0.\dot3"), (r"\frac16", "0.1(6)"), (r"\frac16", "0.1666..."), (r"\frac16", r"0.1\overline6"),
        (r"\frac16", r"0.1\dot6"), (r"\frac{1}{11}", "0.0909..."), (r"\frac17", "0.(142857)"),
        (r"\frac17", r"0.\overline{142857}"), (r"\frac17", "0.142857142857..."), (r"\frac23", "0.666…"),
        (r"\frac{12}{99}", r"0.1212\dots"), (r"\frac{10}{3}", "3.333..."), (r"\frac{10}{3}", "3.(3)"),
        ("1.41", r"\sqrt2"), ("3.14", r"\pi"), ("1234567", "12,34,567"), ("1234567", "1,234,567"),
        ("1234567", "1.234.567"), ("1234.5", "1.234,5"), ("1234567.89", "1.234.567,89"), ("0.5", "0,5"),
        ("3.14", "3,14"), ("0,75", "0.75"), ("2.5", "2,5 kg"), ("1234.56", "1,234.56"), ("1234567", "1 234 567"),
        ("1234", "1{,}234"), ("-0.5", "-0,5"), ("12.75", "12,75"), ("12.75", "12,75 €"),
    ],
    "piecewise": [
        (r"\begin{cases}x&x>0\\-x&x\le0\end{cases}", r"\begin{cases}x&\text{if }x>0\\-x&\text{if }x\le0\end{cases}"),
        (r"\begin{cases}x&x>0\\-x&x\le0\end{cases}", r"\begin{cases}-x&x\le0\\x&x>0\end{cases}"),
        (r"\begin{cases}x&x>0\\-x&x\le0\end{cases}", r"\begin{cases}x,&0<x\\-x,&\text{otherwise}\end{cases}"),
        (
            r"\begin{cases}1 & \text{for } n=1\\2^n & \text{for } n\ge2\end{cases}",
            r"\begin{cases}1 & n=1\\ 2^n & n\geq 2\end{cases}",
        ),
        (
            r"f(x)=\begin{cases}x&x>0\\-x&x\le0\end{cases}",
            r"f(x)=\begin{cases}x, & \text{if } x>0,\\-x, & \text{if } x\le0.\end{cases}",
        ),
    ],
    "time and others": [
        ("noon", "12:00 PM"), ("12:00 p.m.", "noon"), ("midnight", "12:00 AM"), ("12 noon", "12:00 pm"),
        ("3:00 p.m.", "3 o'clock"), ("3:00", "3 o'clock"), ("3 pm", "3:00 PM"), ("3:30 PM", "15:30"),
        (r"\text{3:30 p.m.}", "3:30 pm"), ("5 R 2", "5 r 2"), ("5 R 2", "5 remainder 2"), ("5 R 2", r"5\text{ R }2"),
        (r"5\text{ R }2", "5 R2"), (r"5 \text{ remainder } 2", "5 R 2"), (r"\overline{AB}", "AB"),
        ("AB", r"\overline{AB}"), ("xy=1", r"y=\frac1x"), ("xy=6", r"y=\frac6x"), ("x^2+y=4", "y=4-x^2"),
        ("2x+3y=6", r"y=2-\frac23x"), ("x+y=5", "y=5-x"), ("100", r"100\Omega"), ("5", r"5 \Omega"),
    ],
    "general solutions without a word on their integer": [
        (r"x = \pi/2 + k\pi", r"x = \pi/2 + n\pi, n \in Z"), (r"\frac{\pi}{4}+k\pi", r"\frac{\pi}{4}+n\pi"),
        (r"x=30^\circ+360^\circ k", r"x = 30^\circ + 360^\circ n"), (r"2k+1, k \in Z", "2n+1"),
        (r"x=\frac{\pi}{4}+k\pi", r"x = \frac{\pi}{4} + n\pi where n is an integer"),
        (r"x=k\pi", r"x = n\pi \ (n \in \mathbb{Z})"), (r"x=2k\pi+\frac{\pi}{3}", r"x = \frac{\pi}{3} + 2\pi n"),
    ],
    "ratios in words": [("3:2", "3 to 2")],
    "circled statements": [
        ("1", "①"), ("①②", "①, ②"), ("①②", "1, 2"), ("①②④", "②①④"), ("①③", "③、①"),
    ],
    "several options": [("AC", "A, C"), ("A, C", "(A) and (C)"), ("(A), (B)", "A, B")],
    "classes of remainders": [
        (r"17 \pmod{20}", "17"), (r"x \equiv 2 \pmod 5", r"x \equiv 7 \pmod{5}"),
        (r"x \equiv 2 \pmod 5", r"x \equiv 2 (mod 5)"),
        (r"-3 \pmod 5", r"2 \pmod 5"), ("f(x) = 0", r"f(x) \equiv 0"),
    ],
    "brackets turned outwards": [
        ("]0,1[", "(0,1)"), ("[0,1[", "[0,1)"), (r"[0,1) \cup (2,3]", r"[0,1[ \cup ]2,3]"),
    ],
    "sets in words": [
        (r"(-\infty, 2) \cup (2, \infty)", "all real numbers except 2"), (r"\mathbb{R}^*", r"\mathbb{R}\setminus\{0\}"),
        (r"\emptyset", "no solution"), ("no real solutions", "There are no real solutions."),
        (r"x \ge 5", "at least 5"), ("x < 5", "less than 5"), ("twice", "2"), ("5.5", "5 and a half"),
    ],
    "points written out": [("(1,2),(3,4)", "x=1,y=2 or x=3,y=4"), ("(1,2),(3,4)", "y=4,x=3 or y=2,x=1")],
    "integrals as they are set": [
        (r"\frac13", r"\int_0^1 x^2\,\mathrm{d}x"), (r"\ln 2", r"\int_1^2 \frac{dx}{x}"),
        (r"\frac{\pi}{4}", r"\int_0^1 \frac{dx}{1+x^2}"),
    ],
    "cases in words": [
        (r"\begin{cases} 1 & n \text{ even} \\ 0 & n \text{ odd} \end{cases}",
         r"\begin{cases} 1 & \text{if } n \text{ is even} \\ 0 & \text{if } n \text{ is odd} \end{cases}"),
    ],
    "marks around an answer": [
        ("5", r"\bbox[yellow]{5}"), ("5", r"\require{color}\colorbox{aqua}{5}"), ("5", r"\enclose{box}{5}"),
        ("5", r"\left.5\right."),
        ("5", r"\mathbb{5}"), ("5", "```5```"), ("5", "<b>5</b>"), ("5", "*5*"), ("B", "【B】"), ("15", r"\answer{15}"),
    ],
    "functions of numbers": [
        ("24", r"\Gamma(5)"), (r"\frac{\pi^2}{6}", r"\zeta(2)"), (r"\sqrt{\pi}", r"\Gamma(1/2)"),
        (r"\sqrt{\pi}", r"\Gamma\left(\frac12\right)"), (r"-\frac{1}{12}", r"\zeta(-1)"),
        ("0", r"\operatorname{erf}(0)"), ("120", "nCr(10,3)"), ("720", "nPr(10, 3)"),
        (r"\phi(10)", r"\varphi(10)"), ("J_0(2)", "J_0(2)"),
    ],
    "one thing in many ways": [
        ("2.5 hours", "two and a half hours"), ("150 cm", "1.5m"), ("4 m^2", "4 sq m"), ("25%", "25 per cent"),
        ("120", "10C3"), ("720", "10P3"), ("120", "10 choose 3"), ("x=1,y=2", "A(1,2)"), ("(x,y)=(1,2)", "A(1,2)"),
        ("5", r"\text{Answer: }5"), (r"(-\infty,-1)\cup(1,\infty)", r"\mathbb{R}\setminus[-1,1]"),
        (r"\begin{cases}x&x\ge0\\-x&x<0\end{cases}", r"\left\{\begin{array}{ll}x&x\ge0\\-x&x<0\end{array}\right."),
        (r"\frac{\pi}{6}+2n\pi, n\in\mathbb{Z}", r"x=\frac{\pi}{6}+2k\pi\ (k\in\mathbb{Z})"),
        ("2x+4y-3=0", r"y=-\frac12x+\frac34"), (r"\sqrt{1/n}", r"\frac{1}{\sqrt n}"), ("e^{16}-1", "-1+exp(16)"),
        ("14-i", "14.0 + -1.0i"), (r"m\ge\sqrt2", r"m\in[\sqrt{2},+\infty)"), ("(1,\\frac92)", "(1,4.5)"),
        ("34x+45y-20z+100=0", "-34x-45y+20z-100=0"), (r"\tan^2(y)+1", r"\sec^2(y)"), ("-12", "-12.0"),
    ],
    "ordinals": [
        ("fourth", "4th"), ("4th", "fourth"), ("third", "3rd"), ("21st", "twenty-first"), ("the fourth", "4th"),
        ("20th", "twentieth"), ("4", "4th"),
    ],
    "unit words without a space": [
        ("156", "156kgs"), ("52", "52 WPM"), ("8", "8 GB"), ("1234567", "1'234'567"), ("13", "13_{10}"),
    ],
}  # fmt: skip

SAME |= {
    "wrappers and slashes": [
        ("9", r"\mathclap{9}"), ("9", r"\tcbox{9}"), ("9", r"\overset{}{9}"), (r"\sqrt5", r"\surd 5"),
        (r"\frac34", "^3/_4"), (r"\frac34", r"{}^3\!/_4"), ("C", "c)"), ("(0,1)", r"\left]0,1\right["),
        (r"\mathbb{R}\setminus\{0\}", r"\mathbb{R}-\{0\}"), ("DNE", "does not exist"), ("20", "A_5^2"),
    ],
    "what a formula holds for": [
        ("f(x)=3x", r"f(x)=3x\ \forall x\in\mathbb{R}"), ("f(x)=3x", r"f(x)=3x, \forall x"), ("3^n", r"3^n, n\geq0"),
        (r"\frac{1}{x}", r"\frac1x, x\ne0"), (r"\frac{1}{x}", r"\frac{1}{x}\quad (x\neq 0)"),
        ("x^3+C", r"x^3+C, C\in\mathbb{R}"), ("x^3+C", r"x^3 + \text{constant}"),
        (r"k\pi, k\in\mathbb{Z}", r"\{n\pi : n\in\mathbb{Z}\}"),
        (r"\{n\pi \mid n\in\mathbb{Z}\}", r"k\pi, k\in\mathbb{Z}"),
    ],
    "derived units": [
        ("5 N/m^2", "5 Pa"), ("5 J", "5 N m"), ("5 W", "5 J/s"), ("2 kWh", "7200000 J"), ("3 kPa", "3000 N/m^2"),
    ],
    "sets and numerals with text": [
        (r"\text{all real }x", r"\mathbb{R}"), ("all real x", r"(-\infty,\infty)"),
        (r"\mathbb{R}", r"\text{all real } t"),
        (r"1\text{F}_{16}", "1F_{16}"), ("1F_{16}", r"1\text{F}_{16}"), ("A1B_{16}", r"A1\text{B}_{16}"),
    ],
}  # fmt: skip

DIFFERENT: dict[str, list[tuple[str, str]]] = {
    "rounded golds and independent signs": [
        ("0.33", r"\frac13"), ("6.66", r"\frac{20}{3}"), ("6.7", r"\frac{20}{3}"), (r"\frac{20}{3}", "6.67"),
        ("0.38", "0.3803"),
        ("(1,2),(1,-2),(-1,2)", r"(\pm1,\pm2)"), ("(1,2),(1,-3),(-1,2),(-1,-2)", r"(\pm1,\pm2)"),
    ],
    "units that differ": [
        ("5 kg", "5 lb"), ("5 hours", "5 days"), (r"\$5", "5 cents"), ("20 °C", "20 °F"), (r"50 \%", "50 dollars"),
        ("5 m", "5 cm"), ("5 cm", "5 inches"), ("5 minutes", "5 hours"), ("5 seconds", "5 minutes"),
        ("5 grams", "5 kg"), ("5 m^2", "5 m^3"), ("5 m", "5 m^2"), ("5 cm^2", "5 cm"), ("5 km/h", "5 m/s"),
        ("5 mph", "5 km/h"), ("5 km", "5 km/h"), ("5 liters", "5 gallons"), ("5 euros", "5 dollars"), ("£5", "$5"),
        ("¥5", r"\$5"), ("5 rupees", "5 dollars"), ("5 yen", "5 dollars"), ("5 kg", "5 hours"), ("5 J", "5 W"),
        ("5 V", "5 A"), ("5 N", "5 kg"), (r"5\%", "5 kg"), (r"5^\circ", "5 cm"), (r"30^\circ", r"30 \text{ rad}"),
        ("5 months", "5 years"), ("5 weeks", "5 months"), ("5 decades", "5 years"), ("5 pints", "5 quarts"),
        ("5 tons", "5 kg"), ("2 hours 30 minutes", "2.3 hours"), ("2 hours 30 minutes", "230 minutes"),
        ("5 ft 6 in", "5.6 ft"), ("1 hour 30 minutes", "1.3 hours"), ("25 cents", "25 dollars"),
        (r"\$0.25", "0.25 cents"), ("5 inches", "5 ft"), ("1 day", "12 hours"), ("5 dollars", r"5\%"),
        ("5 a.m.", "5 p.m."), ("3:00 a.m.", "3:00 p.m."), ("5 Hz", "5 s"), ("5 mg", "5 g"), ("5 mL", "5 L"),
        ("5 acres", "5 hectares"), ("5 square feet", "5 square meters"), ("100 °C", "100 K"),
    ],
    "changed value": [
        ("5", "5 tenths"), ("5", "5 squared"), ("5", "5 times x"), ("5", "5 lakh"), ("5", "5 degrees below zero"),
        ("5", "at most 5"), ("5", "less than 5"), ("5", "half of 5"), ("5", "5 hundredths"), ("5", "5 thirds"),
        ("5", "5 fourths"), ("5", "5 quarters"), ("5", "5 million"), ("5", "5 thousand"), ("5", "5 dozen"),
        ("5", "5 billion"), ("5", "5 hundred"), ("5", "5 tens"), ("5", "5 scores"), ("5", "5 tripled"),
        ("5", "5 factorial"), ("5", "5 to the power of 2"), ("5", "5 plus x"), ("5", "5 minus 1"), ("5", "5 over 2"),
        ("5", "5 divided by 2"), ("5", "5 times the number of apples"), ("5", "5 times as many"), ("5", "twice 5"),
        ("5", "double 5"), ("5", "more than 5"), ("5", "greater than 5"), ("5", "at least 5"), ("5", "fewer than 5"),
        ("5", "5 or 6"), ("5", "not 5"), ("5", "5 below zero"), ("5", "5 less than x"), ("5", "5 more than x"),
        ("5", "5 mod 7"), ("5", "5 out of 8"), ("5", "5 choose 2"), ("5", "5 halved"), ("5", "minus 5"),
        ("5", "negative 5"), ("5", "a fifth"), ("5", "one fifth"), ("5", "square root of 5"), ("5", "root 5"),
        ("5", "cube root of 5"), ("5", "5 万"), ("5", "5万"), ("5", "5 倍"), ("5", "5 тысяч"), ("5", "5 millones"),
        ("5", "5 Millionen"), ("5", "5 reciprocal"), ("5", "5 inverse"), ("5", "5 point 2"), ("5", "5 crore rupees"),
        ("5", "5th root of 32"), ("5", "5% of 40"), ("5", "5 dollars short"), ("5", "5 units below"),
        ("5", "5 hours ago or 6"),
    ],
    "other number words differ": [
        ("100", "a thousand"), ("21", "twenty"), ("20", "twenty-one"), ("12", "two dozen"), ("-7", "seven"),
        (r"\frac12", "a third"), (r"\frac34", "three fifths"), ("2.5", "two"), ("5", "fifteen"), ("50", "fifteen"),
        ("15", "fifty"), ("40", "fourteen"), ("7", "八"), ("42", "四十"),
    ],
    "names differ": [
        ("P(A)=.3", "P(B)=.3"), ("a_1=5", "a_2=5"), ("a_1", "a_2"), ("x=5", "y=5"),
        (r"\sin x=\frac12", r"\cos x=\frac12"), (r"\sin A=\frac35", r"\sin B=\frac35"), ("f(1)=3", "f(2)=3"),
        ("f(1)=3", "g(1)=3"), ("S_{10}=55", "S_{11}=55"), ("area=5", "perimeter=5"),
        (r"\text{Area}=5", r"\text{Perimeter}=5"), ("AB=5", "CD=5"), ("AB=5", "AC=5"),
        (r"\angle A=30^\circ", r"\angle B=30^\circ"), (r"P(X=2)=\frac14", r"P(X=3)=\frac14"),
        (r"P(A\cap B)=0.2", r"P(A\cup B)=0.2"), ("E(X)=3", "V(X)=3"), ("x_1=2", "x_2=2"), ("f'(1)=3", "f(1)=3"),
        (r"\ln x=2", r"\log_2 x=2"), ("f(x)=x^2", "g(x)=x^2"), ("mean=5", "median=5"), ("length=5", "width=5"),
        ("a=5", "b=5"), (r"\log_2 x=3", r"\ln x=3"), (r"\binom{n}{2}=10", "10x"), ("P(A)=0.3", "P(A')=0.3"),
        ("C_1=4", "C_2=4"), ("T_5=12", "T_6=12"), ("|x|=3", "x=3"), (r"\sqrt x=3", "x=3"), ("f(3)=1", "f(1)=3"),
    ],
    "latex wrappers differ": [
        ("5", r"\textcolor{red}{6}"), ("5", r"\color{red}6"), ("5", r"\begin{aligned}x&=5\\&=6\end{aligned}"),
        ("5", r"\begin{align}5\\6\end{align}"), ("x=2,y=3", r"\begin{cases}x=3\\y=2\end{cases}"), ("5", r"\hspace{5}"),
        ("5", r"\tag{5}"), ("5", r"\phantom{5}"), ("5", r"\label{5}"), ("1", r"\begin{array}{c}5\end{array}"),
        ("5", r"\begin{matrix}5&6\end{matrix}"), ("5", r"\color{5}"), ("5", r"\begin{matrix}5\\6\end{matrix}"),
    ],
    "choices differ": [
        ("B", "A"), ("B", "(a)"), ("B", "C. 5"), ("B", "option C"), ("12", "(B) 13"), (r"\text{(B)}", "answer C"),
        (r"\textbf{(B) }5", "C"), ("B", "A or B"), ("B", "A, B"), ("A", "a"), ("B", "not B"), ("B", "8"),
    ],
    "sets differ": [
        ("[-2,2]", "|x|<2"), ("[-2,2]", r"|x|\ge2"), ("[-2,2]", r"|x|\le3"), ("(1,3)", r"\{x:1\le x<3\}"),
        ("(1,3)", r"\{x:1<x<4\}"), ("1<x<2", "x<1,x>2"), ("1<x<2", r"x>1\text{ or }x<2"),
        (r"x<1\text{ or }x>2", "1<x<2"), (r"x\ne1,2", r"x\ne1"), (r"x\ne1,2", "x=1,2"), (r"\mathbb{R}", r"\mathbb{Z}"),
        (r"\mathbb{R}", r"\mathbb{Q}"), (r"\mathbb{R}", "all integers"), (r"(0,\infty)", r"\mathbb{R}"),
        (r"(0,\infty)", r"\mathbb{R}_{\ge0}"), (r"[0,\infty)", r"\mathbb{R}^+"),
        (r"\mathbb{R}\setminus\{1\}", r"\mathbb{R}\setminus\{2\}"), (r"\mathbb{R}\setminus\{1\}", r"\mathbb{R}"),
        ("positive integers", "positive real numbers"), ("x>2", r"x\ge2"), ("x>2", "-x>2"), ("y>2x+1", "y<2x+1"),
        ("y>2x+1", r"y\ge2x+1"), ("2, 3", "both 2 and 4"), ("2,3", "2"), ("|x-1|<2", "-1<x<4"), ("|x|>2", "x>2"),
        (r"(1,2)\cup(3,4)", "(1,4)"), (r"\{1,2\}", "[1,2]"), ("x>2", "y<2"), (r"\mathbb{Z}", r"\mathbb{N}"),
    ],
    "bases differ": [
        ("1011_2", "1011_3"), ("1011_2", "1010_2"), ("1011_2", "11"), ("11", "1011_2"), ("2A_{16}", "2B_{16}"),
        ("2A_{16}", "42"), ("1011_2", "1011_{10}"), ("204_5", "204_6"), ("1011_2", "1101_2"), ("AB_{16}", "BA_{16}"),
        ("2516_8", "2516_9"),
    ],
    "qualifiers differ": [
        (r"2\pi k, k\in\mathbb{Z}", r"\pi n, n\in\mathbb{Z}"), (r"\pi k, k\in\mathbb{Z}", r"2\pi k, k\in\mathbb{Z}"),
        (r"\frac{\pi}{4}+k\pi, k\in\mathbb{Z}", r"\frac{\pi}{3}+n\pi, n\in\mathbb{Z}"),
        (r"\frac{\pi}{4}+2k\pi, k\in\mathbb{Z}", r"-\frac{3\pi}{4}+2n\pi, n\in\mathbb{Z}"), ("x^2+C", "x^2"),
        ("x^2+C", "x^2+5"), ("x^2+C", "x^2+x"), ("x^2+C", "2x^2+c"), ("y=Ce^{2x}", "y=e^{2x}"),
        ("y=Ce^{2x}", "y=ce^{3x}"), ("a^2+b^2-c^2", "a^2+b^2-C^2"), ("f(x)=2x", r"f(x)=3x \text{ for all } x"),
        ("2k", "2n"), ("x", "y"), ("2^n", "2^m"), ("n^2", "k^2"),
    ],
    "remarks differ": [
        ("6", "5, not 6"), ("6", "5 rather than 6"), ("5", "not 5, 6"), ("5", "5, or 6"), ("5", "5, 6"),
        ("72", "72, 5 in total"), ("6", "5 instead of 6"), ("5", "6, not 5"),
    ],
    "coordinates differ": [
        ("(1,2)", "x=2,y=1"), ("(1,2)", "y=1,x=2"), ("(1,2)", "A(2,1)"), ("(1,2,3)", "x=1,y=3,z=2"), ("(1,2)", "x=1"),
        ("(1,2)", "x=1,x=2"), ("x=1,y=2", "(2,1)"), ("(1,2)", "x=1,y=2,z=3"), ("[1,2]", "x=1,y=2"), ("(1,2)", "1,2"),
    ],
    "counting and bounds differ": [
        ("120", r"\binom{10}{4}"), ("120", "C(10,2)"), ("120", "C_{10}^2"), ("720", "P(10,2)"),
        ("55", r"\sum_{k=1}^{9}k"), ("55", r"\sum_{k=0}^{9}k"), ("24", r"\prod_{k=1}^5k"),
        (r"\frac12", r"\int_0^1x^2\,dx"), (r"\frac13", r"\int_0^2x^2\,dx"), ("2", r"\int_0^{\pi}\cos x\,dx"),
        ("2", r"\lim_{x\to0}\frac{\sin x}{x}"), ("720", "3!!"), (r"\binom{10}{3}", r"\binom{10}{2}"), ("3!!", "6!"),
        (r"\int_0^1 x\,dx", r"\int_0^1 x^2\,dx"),
    ],
    "decimals differ": [
        (r"\frac13", "0.333"), (r"\frac13", "0.(4)"), ("1.234", "1234"), ("15", "1,5"), ("123456", "123,45"),
        ("0.5", "0,6"), ("3.14", "3,15"), ("1234567", "12,34,568"), ("2.5", "25"), ("0.05", "0,5"), ("1,5", "6.5"),
        ("1.42", r"\sqrt2"), ("3.15", r"\pi"), (r"\pi", "3.14"),
    ],
    "piecewise differ": [
        (r"\begin{cases}x&x>0\\-x&x\le0\end{cases}", r"\begin{cases}x&x>0\\x&x\le0\end{cases}"),
        (r"\begin{cases}x&x>0\\-x&x\le0\end{cases}", r"\begin{cases}-x&x>0\\x&x\le0\end{cases}"),
    ],
    "others differ": [
        ("noon", "12:00 AM"), ("midnight", "12:00 PM"), ("3:00 p.m.", "3:00 a.m."), ("3 pm", "3 am"),
        ("5 R 2", "2 R 5"), ("5 R 2", "5"), ("5 R 2", "7"), ("5 R 2", "5.2"), ("5", "5 R 2"), (r"\overline{AB}", "CD"),
        (r"\overline{AB}", r"\overline{BC}"), ("xy=1", "y=x"), ("xy=1", r"y=-\frac1x"), ("y^2=x^2", "y=x"),
        ("x^2+y^2=1", r"y=\sqrt{1-x^2}"), (r"\vec{AB}", r"\vec{BA}"), ("3:30", "3.5"),
    ],
    "classes of remainders differ": [
        (r"2 \pmod 5", "3"), (r"x \equiv 2 \pmod 5", r"x \equiv 3 \pmod{5}"),
        (r"x \equiv 2 \pmod 5", r"x \equiv 2 \pmod{7}"),
    ],
    "numbers beyond sixty digits differ": [
        (r"[0, \sqrt{2}+10^{-70}]", r"[0, \sqrt{2}]"), (r"\sqrt{2}+10^{-70}", r"\sqrt{2}"),
        (r"\sqrt{2}+10^{-700}", r"\sqrt{2}"),
        (r"\sqrt{2}+\frac{1}{100!}", r"\sqrt{2}"),
        (r"e^{\pi\sqrt{163}}-262537412640768743.99999999999925007259719818568887935385633733699", "0"),
    ],
    "derived units and bounds differ": [
        ("5 J", "5 N"), ("5 W", "5 J"), ("5 Pa", "5 N"), ("2 kWh", "2 kW"), ("5 N/m^2", "5 N/m"),
        ("x>1, x\\ne2", "x>1"), ("x\\ne1, x\\ne2", "x\\ne1"), (r"k\pi, k\in\mathbb{Z}", r"\{2n\pi : n\in\mathbb{Z}\}"),
        ("20", "A_5^3"), ("7", "7 vezes"), ("7", "7 volte"), ("7", "7 mila"), ("7", "7 triệu"),
    ],
    "degrees and places differ": [
        ("68 °F", "20 degrees"), ("h(t)=5", "h(s)=6"), (r"1\text{F}_{16}", r"1\text{E}_{16}"),
        ("31", r"1\text{F}_{16}"),
    ],
    "general solutions differ": [
        (r"x = \pi/2 + k\pi", r"x = \pi/2 + 2n\pi, n \in Z"), (r"\frac{\pi}{4}+k\pi", r"\frac{\pi}{3}+n\pi"),
        ("2k+1", "2n+1"),
    ],
    "many ways differ": [
        ("2.5 hours", "two and a half days"), ("150 cm", "1.6m"), ("120", "10C4"), ("x=1,y=2", "A(2,1)"),
        ("5", "5 C 2"),
        (r"(-\infty,-1)\cup(1,\infty)", r"\mathbb{R}\setminus(-1,1)"), (r"\frac{1}{2004!}", r"\frac{1}{2006!}"),
        (r"\frac{1}{2^{99}}", r"\frac{1}{2^{98}}"), ("n=2, 3, 4", "n=1, 2, 3"), ("D=(0,1)", "D=(0,1.5)"),
        (r"\pm 2021", "2021"), ("12:00", "1:00"), (r"1, 2, \ldots, n", r"1, 3, 5, \ldots, 2n-1"),
        ("3x-y+13=0", "3x+4y+14=0"), ("4", r"4\sqrt(2)"), ("[1,2]", "(1,2)"), ("(1,2]", "(1,2)"), ("12", "-12"),
        (r"\frac{x^2}{4}+\frac{y^2}{3}=1", r"\frac{x^2}{16}+\frac{y^2}{12}=1"),
        (r"(3,\frac{\pi}{2})", r"(3,\frac{2\pi}{3})"),
        (r"1-\frac{1}{\mathrm{e}}", r"1+\frac{1}{\mathrm{e}}"), (r"19, 46, \text{ and } 82", "21, 36, and 82"),
    ],
    "functions of numbers differ": [
        ("24", r"\Gamma(6)"), (r"\frac{\pi^2}{6}", r"\zeta(3)"), ("f(2)+1", "f(2)+2"), (r"\phi(10)+1", r"\phi(10)+2"),
        ("120", "nCr(10,4)"), (r"3\pi", r"\pi(4)"),
    ],
    "ordinals, hours and constants differ": [
        ("fourth", "5th"), ("4th", "fifth"), ("3", "IV"), ("3", "4:00"), ("2", "3:00 pm"), ("f(x)=cx", "f(x)=cx^2"),
        ("f(x)=ax+1", "f(x)=ax+2"), ("f(x)=2x", "f(x)=3x"), ("f(x)=cx", "f(x)=c+x"),
    ],
    "statements and options differ": [
        ("①②", "①③"), ("AC", "A, B"), ("(A), (B)", "A"), ("[0,1]", "]0,1["), ("0.125", "0,126"),
        ("(1,2),(3,4)", "x=1,y=4 or x=3,y=2"),
        (r"\begin{cases} 1 & n \text{ even} \\ 0 & n \text{ odd} \end{cases}",
         r"\begin{cases} 0 & n \text{ even} \\ 1 & n \text{ odd} \end{cases}"),
    ],
}  # fmt: skip

# Answers that are not read, or not compared: never wrong, so that a slower tier or a reader sees them.
UNDECIDED: dict[str, list[tuple[str, str]]] = {
    "a constant function or its value at one place": [
        ("h(t)=5", "h(s)=5"), ("f(x)=5", "f(y)=5"), ("f(a)=5", "f(b)=5"), ("v(t)=3", "v(s)=3"),
    ],
    "bounds that differ": [
        (r"\frac{1}{x-1}, x\ne1", r"\frac{1}{x-1}, x\ne2"), (r"2^n, n\ge0", r"2^n, n\ge1"),
    ],
    "a bound on one side only": [("x^2-1", r"x^2-1, x\ge0"), (r"x^2-1, x\ge0", "x^2-1"), ("y=Ce^{-x}", "y=Ae^{-x}")],
    "degrees without their scale": [
        ("20 °C", "20 degrees"), (r"20^\circ\text{F}", r"20^\circ"), (r"20^\circ", "20 °C"), ("20 degrees", "20 °F"),
    ],
    "changed value": [
        ("5", "5 or more"), ("5", "between 5 and 6"), ("5", "5 percent of 40"),
    ],
    "other number words differ": [
        ("5", "half a dozen"),
    ],
    "names differ": [
        ("x^2=9", "9"), ("a+b=3", "3"), ("2x=10", "10"), ("x+1=5", "5"), ("x:y=2:3", "y:x=2:3"),
    ],
    "latex wrappers differ": [
        ("5", r"\frac{5}"),
    ],
    "choices differ": [
        ("12", "B. 21"), (r"\textbf{(B) }5", "6"),
    ],
    "bases differ": [
        ("1012_3", "1012_2"),
    ],
    "qualifiers differ": [
        ("f(x)=2x", r"f(x)=2x \text{ for } x>0"),
    ],
    "counting and bounds differ": [
        ("5", "3!!!"), ("1", r"\lim_{x\to0}\sin\frac1x"), ("0", r"\lim_{x\to0}\frac1x"),
        (r"\sum_{k=1}^n k", r"\sum_{k=1}^{n} k^2"), (r"\sum_{k=1}^n k", r"\sum_{k=0}^{n-1} k"),
        ("1", r"\lim_{x\to0}|x|/x"), ("2", r"\sum_{k=0}^\infty \frac{1}{2^k}x"),
    ],
    "decimals differ": [
        (r"\frac13", "0.34..."), (r"\frac13", "0.322..."), ("1234", "1.234"), ("1.5", "1,5"), ("1000", "1.000"),
        (r"\pi", "3.14159..."),
    ],
    "piecewise differ": [
        (r"\begin{cases}x&x>0\\-x&x\le0\end{cases}", r"\begin{cases}x&x\ge0\\-x&x<0\end{cases}"),
        (r"\begin{cases}x&x>0\\-x&x\le0\end{cases}", "x"),
    ],
    "others differ": [
        ("noon", "noon or midnight"),
    ],
    "functions that are not worked out": [
        ("4", r"\phi(10)"), ("4", r"\tau(6)"), ("12", r"\sigma(6)"), ("4", "f(3)"), ("1", "J_0(0)"), ("1", "B(1,1)"),
        ("5", r"\operatorname{tr}(A)"), ("3", r"\operatorname{Re}(3+4i)"), ("3", r"\Re(3+4i)"), ("4", "Im(3+4i)"),
        ("3-4i", r"\overline{3+4i}"), ("24", r"4 \star 6"), ("6", r"\operatorname{ord}_7(3)"),
        ("(1,4)", r"(1, \phi(5))"), ("5", "max 5"), (r"\{1,2\}", r"\{1,\phi(3)\}"),
        ("x=4", r"x=\phi(5)"), ("0.5", r"\Phi(0)"),
    ],
    "bases, numerals, hours and constants without a word on them": [
        ("1101_2", "1101"), ("1101", "1101_2"), ("3", "III"), ("14", "XIV"), ("3", "3:00"), ("3:00", "3"),
        ("f(x)=cx", "f(x)=kx"), ("f(x)=ax+b", "f(x)=bx+a"), ("f(x)=ax+b", "f(x)=mx+c"), ("4", "fourth"),
    ],
    "changed by a word": [
        ("5", "5 something"), ("5", "5 too many"), ("5", "5 but not exactly"), ("5", "5 However"),
        ("5", "5 Это неверно"),
    ],
    "not worked out": [
        ("2x", r"\frac{d}{dx}x^2"), (r"\frac{d}{dx}x^2", "2x"), (r"\sqrt{2}+10^{-7000}", r"\sqrt{2}"),
        (r"2 \pmod 5", "7"),
        ("2", "2:00 pm"), ("8", "8:00 PM"), ("1 hour and 20 minutes", "1:20"), ("0", "none"),
    ],
}  # fmt: skip


@pytest.mark.parametrize("kind", SAME)
def test_the_same_answer_is_correct(kind: str) -> None:
    assert [(pair, answers_agree(*pair)) for pair in SAME[kind] if answers_agree(*pair) != "correct"] == []


@pytest.mark.parametrize("kind", DIFFERENT)
def test_another_answer_is_wrong(kind: str) -> None:
    assert [(pair, answers_agree(*pair)) for pair in DIFFERENT[kind] if answers_agree(*pair) != "wrong"] == []


@pytest.mark.parametrize("kind", UNDECIDED)
def test_what_cannot_be_told_is_undecided(kind: str) -> None:
    assert [(pair, answers_agree(*pair)) for pair in UNDECIDED[kind] if answers_agree(*pair) != "undecided"] == []
